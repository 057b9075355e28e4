DROP TABLE outbox_cursor;
DROP TABLE outbox_events;
DROP TABLE task_progress;
DROP TABLE task_history;
DROP TABLE task_executions;
DROP TABLE execution_no;
DROP TABLE task_states;
DROP TABLE user_tasks;
