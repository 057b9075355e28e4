-- Removes up to $2 tasks that were deleted more than $1 seconds ago, with everything of theirs.
WITH old AS MATERIALIZED (
    SELECT tenant_id, id FROM task.user_tasks
    WHERE deleted_at < now() - make_interval(secs => $1) ORDER BY deleted_at LIMIT $2 FOR UPDATE SKIP LOCKED
),
history AS (DELETE FROM task.task_history AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
progress AS (DELETE FROM task.task_progress AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
executions AS (DELETE FROM task.task_executions AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
conversations AS (DELETE FROM task.task_conversations AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
states AS (DELETE FROM task.task_states AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.id = o.id)
DELETE FROM task.user_tasks AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.id = o.id
