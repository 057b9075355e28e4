-- What there is to do for the loops: each a look at the head of a partial index. $1 is how late a
-- reminder still goes out.
SELECT
    EXISTS (SELECT FROM task.task_states WHERE status = 'scheduled' AND next_run_time <= now()),
    EXISTS (SELECT FROM task.task_states WHERE lease_token IS NOT NULL AND lease_expires_at <= now()),
    EXISTS (SELECT FROM task.task_states WHERE timeout_at <= now()),
    EXISTS (SELECT FROM task.task_states WHERE status = 'queued' AND NOT claimable AND NOT parked AND run_at <= now())
        OR EXISTS (SELECT FROM task.task_states WHERE parked AND concurrency_key IS NOT NULL),
    EXISTS (
        SELECT FROM task.user_tasks
        WHERE reminder_time <= now() AND reminder_time > now() - $1
          AND reminded_at IS NULL AND deleted_at IS NULL AND task_type <> 'reminder'),
    EXISTS (SELECT FROM task.task_states WHERE status = 'blocked'),
    EXISTS (SELECT FROM task.task_states WHERE claimable AND handler = 'builtin')
