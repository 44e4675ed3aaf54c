-- Kept free.
select;
