-- What the sweeps search for.

-- History and executions go by their age, of tasks that recur too. Many rows may have one block range
-- once others were removed from it, so the ends of executions get an index that is in their order.
CREATE INDEX task_history_age ON task.task_history (occurred_at);
DROP INDEX task.task_executions_ended;
CREATE INDEX task_executions_ended ON task.task_executions (completed_at);

-- What a task waits for is forgotten when it is gone or has ended. Left behind by those that were, it
-- would keep what they waited for from being removed.
CREATE INDEX task_dependencies_of ON task.task_dependencies (tenant_id, task_id);
DELETE FROM task.task_dependencies AS d
WHERE NOT EXISTS (
    SELECT 1 FROM task.user_tasks AS t
    JOIN task.task_states AS s ON s.tenant_id = t.tenant_id AND s.id = t.id
    WHERE t.tenant_id = d.tenant_id AND t.task_id = d.task_id AND s.status = 'blocked');
