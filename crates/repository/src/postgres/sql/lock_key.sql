-- Waits for whoever lets tasks of key $2 of tenant $1 through, and keeps others waiting until the
-- transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(chr(31), $1, $2), 2))
