-- What the sweeps search for.

-- History goes by its age, of tasks that recur too.
CREATE INDEX task_history_age ON task_history (occurred_at);

-- What a task waits for is forgotten when it is gone or has ended. Left behind by those that were, it
-- would keep what they waited for from being removed.
CREATE INDEX task_dependencies_of ON task_dependencies (tenant_id, task_id);
DELETE FROM task_dependencies
WHERE NOT EXISTS (
    SELECT 1 FROM user_tasks AS t
    JOIN task_states AS s ON s.tenant_id = t.tenant_id AND s.id = t.id
    WHERE t.tenant_id = task_dependencies.tenant_id AND t.task_id = task_dependencies.task_id AND s.status = 'blocked');
