DROP INDEX user_limits_event;
