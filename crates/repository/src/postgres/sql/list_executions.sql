-- Executions of task $2 of tenant $1, newest first: the current one has the highest number.
-- $3 status or null, $4 limit, $5 offset; in the columns of task_executions.
WITH wanted AS MATERIALIZED (
    SELECT tenant_id, id FROM task.user_tasks WHERE tenant_id = $1 AND task_id = $2 AND deleted_at IS NULL
)
SELECT * FROM (
    SELECT s.tenant_id, s.id, s.execution_no, s.execution_id, s.run_id, s.attempt, s.failures, s.lost_leases, s.user_id,
        CASE WHEN s.lease_token IS NULL THEN 'queued' ELSE 'running' END, s.trigger_type,
        s.trigger_data, s.worker_id, s.lease_token, s.lease_expires_at, null::jsonb, null::text, null::jsonb, 0::double precision,
        0::bigint, 0::bigint, null::bigint, s.run_at, s.queued_at, s.started_at, null::timestamptz, s.timeout_at, s.attempt_created_at
    FROM wanted AS w
    JOIN task.task_states AS s ON s.tenant_id = w.tenant_id AND s.id = w.id
    WHERE s.execution_no IS NOT NULL
      AND ($3 IS NULL OR $3 = CASE WHEN s.lease_token IS NULL THEN 'queued' ELSE 'running' END)
    UNION ALL
    (SELECT e.tenant_id, e.task_id, e.id, e.execution_id, e.run_id, e.attempt, e.failures, e.lost_leases, e.user_id, e.status, e.trigger_type,
        e.trigger_data, e.worker_id, e.lease_token, e.lease_expires_at, e.result, e.error_message, e.error_details, e.credits_consumed,
        e.tokens_used, e.api_calls_made, e.duration_ms, e.run_at, e.queued_at, e.started_at, e.completed_at, e.timeout_at, e.created_at
    FROM task.task_executions AS e
    WHERE e.tenant_id = $1 AND e.task_id = (SELECT id FROM wanted) AND ($3 IS NULL OR e.status = $3)
    ORDER BY e.id DESC
    LIMIT $4 + $5)
) AS e(tenant_id, task_id, id)
ORDER BY id DESC
LIMIT $4 OFFSET $5
