-- Removes up to $2 history entries older than $1 seconds.
DELETE FROM task.task_history WHERE (tenant_id, task_id, id) IN (
    SELECT tenant_id, task_id, id FROM task.task_history
    WHERE occurred_at < now() - make_interval(secs => $1) ORDER BY occurred_at LIMIT $2
)
