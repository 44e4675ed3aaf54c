-- Holds the number of a migration of its own.
select 1;
