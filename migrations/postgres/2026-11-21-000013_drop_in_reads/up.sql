-- The tasks of a drop-in API, newest first; with what they are counted by, so that counting reads
-- nothing but this index.
DROP INDEX task.task_states_by_origin;
CREATE INDEX task_states_by_origin ON task.task_states (tenant_id, origin, id) INCLUDE (status, task_type)
    WHERE origin <> 'task_service';
-- What was deleted and is not swept yet is taken off what is counted.
CREATE INDEX user_tasks_gone ON task.user_tasks (tenant_id, origin) WHERE deleted_at IS NOT NULL;
