DROP TABLE task.task_dependencies;
DROP INDEX task.task_states_admitted_key;
DROP INDEX task.task_states_parked_key;
DROP INDEX task.task_states_blocked;
DROP INDEX task.task_states_delayed;
CREATE INDEX task_states_delayed ON task.task_states (run_at) WHERE status = 'queued' AND NOT claimable;
ALTER TABLE task.task_states
    DROP COLUMN parked,
    DROP COLUMN limited,
    DROP COLUMN max_concurrent,
    DROP COLUMN concurrency_key,
    DROP COLUMN key_id;
ALTER TABLE task.user_tasks
    DROP COLUMN key_id,
    DROP COLUMN max_concurrent,
    DROP COLUMN concurrency_key,
    DROP COLUMN on_dependency_failure;
