DROP INDEX task_dependencies_of;
DROP INDEX task_history_age;
