DROP INDEX task.task_executions_ended;
DROP INDEX task.task_states_claim_request;
DROP INDEX task.task_states_claim_worker_origin;
DROP INDEX task.task_states_claim_builtin_origin;
ALTER TABLE task.task_states DROP COLUMN claim_request;
ALTER TABLE task.task_states DROP COLUMN origin;
