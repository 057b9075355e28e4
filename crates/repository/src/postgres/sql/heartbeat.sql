-- Extends the lease $3 of task $2 of tenant $1 to $4 seconds from now, or by its current length.
UPDATE task.task_states
SET lease_seconds = coalesce($4, lease_seconds),
    lease_expires_at = clock_timestamp() + make_interval(secs => coalesce($4, lease_seconds))
WHERE tenant_id = $1
  AND id = (SELECT id FROM task.user_tasks WHERE tenant_id = $1 AND task_id = $2)
  AND lease_token = $3
  AND lease_expires_at > clock_timestamp()
RETURNING lease_expires_at, clock_timestamp()
