-- What a task's stream needs to know of a command: how the attempt ended that it ended, if any, and
-- how many progress entries came before it.
ALTER TABLE task_history ADD COLUMN ended TEXT;
ALTER TABLE task_history ADD COLUMN progress_seq BIGINT NOT NULL DEFAULT 0;
UPDATE task_history
SET progress_seq = (
        SELECT coalesce(max(p.seq_id), 0) FROM task_progress AS p
        WHERE p.tenant_id = task_history.tenant_id AND p.task_id = task_history.task_id AND p.occurred_at <= task_history.occurred_at),
    ended = (
        SELECT e.status FROM task_executions AS e
        WHERE e.tenant_id = task_history.tenant_id AND e.execution_id = task_history.execution_id AND e.completed_at = task_history.occurred_at);
