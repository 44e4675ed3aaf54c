-- Kept free: the library that runs migrations takes no gap in their numbers.
select;
