-- Ended executions of user ?2 of tenant ?1 whose run was queued since ?3, by the hour of that and status.
SELECT queued_at - queued_at % 3600000000 AS hour, status, count(*) AS count, coalesce(sum(duration_ms), 0) AS duration_ms,
    count(duration_ms) AS timed, coalesce(sum(credits_consumed), 0.0) AS credits, coalesce(sum(tokens_used), 0) AS tokens,
    coalesce(sum(api_calls_made), 0) AS api_calls
FROM task_executions
WHERE tenant_id = ? AND user_id = ? AND queued_at >= ?
GROUP BY 1, 2
