-- One save at a time among those that are under the limits of the users $2 of the tenants $1, which
-- are sorted, so that two never wait for each other; until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended(u.tenant_id || chr(31) || u.user_id, 0))
FROM unnest($1, $2) AS u(tenant_id, user_id)
