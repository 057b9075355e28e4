DROP INDEX task.user_tasks_reminder;
DROP INDEX task.task_states_ended;
DROP INDEX task.user_tasks_deleted;
DROP TABLE task.user_limits, task.api_keys, task.inbox_events, task.idempotency_keys, task.facts, task.task_conversations, task.task_templates;
