-- What a task's stream needs to know of a command: how the attempt ended that it ended, if any, and
-- how many progress entries came before it.
ALTER TABLE task.task_history ADD COLUMN ended text;
ALTER TABLE task.task_history ADD COLUMN progress_seq bigint NOT NULL DEFAULT 0;
UPDATE task.task_history AS h
SET progress_seq = (
    SELECT coalesce(max(p.seq_id), 0) FROM task.task_progress AS p
    WHERE p.tenant_id = h.tenant_id AND p.task_id = h.task_id AND p.occurred_at <= h.occurred_at);
UPDATE task.task_history AS h
SET ended = e.status
FROM task.task_executions AS e
WHERE e.tenant_id = h.tenant_id AND e.execution_id = h.execution_id AND e.completed_at = h.occurred_at;
