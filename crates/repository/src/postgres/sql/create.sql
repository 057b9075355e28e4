-- Saves new tasks: $1 is an array of task.created_task. A task whose id is taken has no row in `placed`, so nothing of it
-- happens and its number (from 1) is not returned.
-- Not unnest($1): the planner would look at the array, and plan anew for each length.
WITH input AS MATERIALIZED (
    SELECT nextval('task.user_tasks_id_seq') AS id, i.*
    FROM unnest((SELECT $1::task.created_task[])) WITH ORDINALITY AS i
),
made AS (
    INSERT INTO task.user_tasks (
        tenant_id, id, task_id, user_id, origin, handler, task_type, name, description, config, metadata, tags, labels, attributes,
        priority, schedule, due_date, reminder_time, reminded_at, timeout_seconds, depends_on, retry, original_task_id,
        retry_count, credits_per_run, version, created_at, deleted_at, on_dependency_failure, concurrency_key, max_concurrent, key_id)
    SELECT tenant_id, id, task_id, user_id, origin, handler, task_type, name, description, config, metadata, tags, labels, attributes,
        task_priority, schedule, due_date, reminder_time, reminded_at, timeout_seconds, depends_on, retry, original_task_id,
        retry_count, credits_per_run, version, created_at, deleted_at, on_dependency_failure, concurrency_key, max_concurrent, key_id
    FROM input
    ON CONFLICT (tenant_id, task_id) DO NOTHING
    RETURNING id
),
placed AS MATERIALIZED (
    SELECT * FROM input WHERE id = ANY (ARRAY(SELECT id FROM made))
),
hot AS (
    INSERT INTO task.task_states (
        tenant_id, id, user_id, handler, task_type, priority, status, return_to, claimable, is_active, turn, event_seq, progress_seq,
        next_run_time, schedule_runs, total_credits, run_count, success_count, failure_count, last_run_time, last_success_time,
        last_error, completed_at, updated_at, execution_no, execution_id, run_id, attempt, failures, lost_leases, trigger_type,
        trigger_data, run_at, queued_at, started_at, timeout_at, attempt_created_at, origin, key_id, concurrency_key,
        max_concurrent, limited, parked)
    SELECT tenant_id, id, user_id, handler, claimed_as, priority, status, return_to, claimable, is_active, turn, event_seq, 0,
        next_run_time, schedule_runs, total_credits, run_count, success_count, failure_count, last_run_time, last_success_time,
        last_error, completed_at, updated_at, CASE WHEN execution_no = 0 THEN nextval('task.execution_no') ELSE execution_no END,
        execution_id, run_id, attempt, failures, lost_leases, trigger_type,
        trigger_data, run_at, queued_at, started_at, timeout_at, attempt_created_at, origin, key_id, concurrency_key,
        max_concurrent, limited, parked
    FROM placed
),
history AS (
    INSERT INTO task.task_history (tenant_id, task_id, action, actor, from_status, to_status, reason, execution_id, occurred_at)
    SELECT tenant_id, id, action, actor, from_status, to_status, reason, of_execution, occurred_at FROM placed
),
