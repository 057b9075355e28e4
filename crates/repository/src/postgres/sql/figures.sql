-- Ended executions of user $2 of tenant $1 whose run was queued since $3, by the hour of that and status.
SELECT date_trunc('hour', queued_at, 'UTC'), status, count(*), coalesce(sum(duration_ms), 0)::bigint, count(duration_ms),
    coalesce(sum(credits_consumed), 0), coalesce(sum(tokens_used), 0)::bigint, coalesce(sum(api_calls_made), 0)::bigint
FROM task.task_executions
WHERE tenant_id = $1 AND user_id = $2 AND queued_at >= $3
GROUP BY 1, 2
