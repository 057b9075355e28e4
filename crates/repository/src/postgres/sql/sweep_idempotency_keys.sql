-- Removes up to $2 idempotency keys older than $1 seconds.
DELETE FROM task.idempotency_keys WHERE (tenant_id, caller, key) IN (
    SELECT tenant_id, caller, key FROM task.idempotency_keys
    WHERE created_at < now() - make_interval(secs => $1) ORDER BY created_at LIMIT $2
)
