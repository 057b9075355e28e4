DROP INDEX user_tasks_reminder;
CREATE INDEX user_tasks_reminder ON user_tasks (reminder_time)
    WHERE reminder_time IS NOT NULL AND reminded_at IS NULL AND deleted_at IS NULL;
