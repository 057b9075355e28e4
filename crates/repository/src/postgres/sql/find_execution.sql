-- Execution $2 of tenant $1, current or finished, of a live task; in the columns of task_executions.
SELECT d.task_id, e.*
FROM (
    SELECT e.tenant_id, e.task_id, e.id, e.execution_id, e.run_id, e.attempt, e.failures, e.lost_leases, e.user_id, e.status, e.trigger_type,
        e.trigger_data, e.worker_id, e.lease_token, e.lease_expires_at, e.result, e.error_message, e.error_details, e.credits_consumed,
        e.tokens_used, e.api_calls_made, e.duration_ms, e.run_at, e.queued_at, e.started_at, e.completed_at, e.timeout_at, e.created_at
    FROM task.task_executions AS e
    WHERE e.tenant_id = $1 AND e.execution_id = $2
    UNION ALL
    SELECT s.tenant_id, s.id, s.execution_no, s.execution_id, s.run_id, s.attempt, s.failures, s.lost_leases, s.user_id,
        CASE WHEN s.lease_token IS NULL THEN 'queued' ELSE 'running' END, s.trigger_type,
        s.trigger_data, s.worker_id, s.lease_token, s.lease_expires_at, null::jsonb, null::text, null::jsonb, 0::double precision,
        0::bigint, 0::bigint, null::bigint, s.run_at, s.queued_at, s.started_at, null::timestamptz, s.timeout_at, s.attempt_created_at
    FROM task.task_states AS s
    WHERE s.tenant_id = $1 AND s.execution_id = $2 AND s.execution_id IS NOT NULL
) AS e
JOIN task.user_tasks AS d ON d.tenant_id = e.tenant_id AND d.id = e.task_id
WHERE d.deleted_at IS NULL
LIMIT 1
