-- One save at a time among those that are under the limits of user $2 of tenant $1; until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended($1 || chr(31) || $2, 0))
