-- Only on PostgreSQL: types of the rows that a save sends, and one index less.
SELECT 1;
