DROP INDEX task.user_limits_event;
