-- Waits for whoever is claiming as worker $2 of tenant $1 under the name $3, and keeps others
-- waiting until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(chr(31), $1, $2, $3), 1))
