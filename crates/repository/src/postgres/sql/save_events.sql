finished AS (
    INSERT INTO task.task_executions (
        tenant_id, task_id, id, execution_id, run_id, attempt, failures, lost_leases, user_id, status, trigger_type,
        trigger_data, worker_id, lease_token, lease_expires_at, result, error_message, error_details, credits_consumed,
        tokens_used, api_calls_made, duration_ms, run_at, queued_at, started_at, completed_at, timeout_at, created_at)
    -- Without a number when the caller never read the task that it had made.
    SELECT h.tenant_id, h.id, coalesce(nullif((finished).id, 0), nextval('task.execution_no')), (finished).execution_id,
        (finished).run_id, (finished).attempt, (finished).failures, (finished).lost_leases, (finished).user_id, (finished).status,
        (finished).trigger_type, (finished).trigger_data, (finished).worker_id, (finished).lease_token,
        (finished).lease_expires_at, (finished).result, (finished).error_message, (finished).error_details,
        (finished).credits_consumed, (finished).tokens_used, (finished).api_calls_made, (finished).duration_ms,
        (finished).run_at, (finished).queued_at, (finished).started_at, (finished).completed_at, (finished).timeout_at,
        (finished).created_at
    FROM hot AS h
    WHERE (finished).execution_id IS NOT NULL
),
history AS (
    INSERT INTO task.task_history (tenant_id, task_id, action, actor, from_status, to_status, reason, execution_id, occurred_at, ended, progress_seq)
    SELECT tenant_id, id, action, actor, from_status, to_status, reason, of_execution, occurred_at, ended, progress_seq
    FROM hot
),
-- Ids are given after the rows of `hot` are locked, and of a task in the order of its events: within a task they rise with seq.
events AS (
    INSERT INTO task.outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at)
    SELECT h.tenant_id, e.event_id, e.event_type, e.task_id, e.user_id, e.origin, e.seq, e.payload, e.occurred_at
    FROM hot AS h
    CROSS JOIN LATERAL unnest(h.events) AS e
)
SELECT ordinality, id, turn FROM hot
