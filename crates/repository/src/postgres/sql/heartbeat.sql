-- Extends leases. Arrays, sorted by task: $1 tenant, $2 task, $3 lease, $4 how many seconds from now
-- (null: as long as the lease is). One whose lease is not current has no row; rows tell their number.
WITH held AS MATERIALIZED (
    SELECT b.n, b.tenant_id, s.id, b.seconds
    FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS b(tenant_id, task_id, token, seconds, n)
    CROSS JOIN LATERAL (
        SELECT d.id FROM task.user_tasks AS d WHERE d.tenant_id = b.tenant_id AND d.task_id = b.task_id LIMIT 1
    ) AS d
    -- Locked one after another in the order of the arrays, so that two batches never wait for each other.
    CROSS JOIN LATERAL (
        SELECT s.id FROM task.task_states AS s
        WHERE s.tenant_id = b.tenant_id AND s.id = d.id AND s.lease_token = b.token AND s.lease_expires_at > clock_timestamp()
        FOR NO KEY UPDATE
    ) AS s
)
-- What is locked stays as it was found, so only the key is looked at again.
UPDATE task.task_states AS s
SET lease_seconds = coalesce(h.seconds, s.lease_seconds),
    lease_expires_at = clock_timestamp() + make_interval(secs => coalesce(h.seconds, s.lease_seconds))
FROM held AS h
WHERE s.tenant_id = h.tenant_id AND s.id = h.id
RETURNING h.n, s.lease_expires_at, clock_timestamp()
