DROP INDEX task_states_waiting;
DROP INDEX task_states_by_origin;
