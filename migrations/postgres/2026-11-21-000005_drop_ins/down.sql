DROP INDEX task.task_states_waiting;
DROP INDEX task.task_states_by_origin;
