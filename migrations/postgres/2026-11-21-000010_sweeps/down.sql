DROP INDEX task.task_dependencies_of;
DROP INDEX task.task_executions_ended;
CREATE INDEX task_executions_ended ON task.task_executions USING brin (completed_at)
    WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX task.task_history_age;
