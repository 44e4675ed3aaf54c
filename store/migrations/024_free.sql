-- A number that is kept free.
select;
