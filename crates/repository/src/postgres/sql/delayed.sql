-- Locks up to $1 queued executions whose run_at has come, in its order; their lanes and owners.
SELECT tenant_id, id, handler, task_type, priority, coalesce(user_id, key_id, ''), (extract(epoch FROM run_at) * 1000000)::bigint
FROM task.task_states
WHERE status = 'queued' AND NOT claimable AND NOT parked AND run_at <= now()
ORDER BY run_at
LIMIT $1
FOR UPDATE SKIP LOCKED
