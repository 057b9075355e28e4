DROP INDEX user_tasks_gone;
DROP INDEX task_states_by_origin;
CREATE INDEX task_states_by_origin ON task_states (tenant_id, origin, id) WHERE origin <> 'task_service';
