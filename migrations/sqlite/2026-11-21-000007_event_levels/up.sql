-- Whether any level is known from an event is asked often, and in most systems answered "none".
CREATE INDEX user_limits_event ON user_limits (updated_at) WHERE event_level IS NOT NULL;
