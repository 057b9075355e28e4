-- What waits, runs and has ended within five minutes, by type, handler and kind; of tenant $1 or of all.
-- Each part reads an index of its own, so that tasks at rest cost nothing.
SELECT s.task_type, s.handler, 'claimable' AS kind, count(*) AS all_of_them, 0::bigint AS last_minute, (extract(epoch FROM min(s.run_at)) * 1000000)::bigint AS oldest
FROM task.task_states AS s
WHERE s.claimable AND s.handler = 'worker' AND ($1 IS NULL OR s.tenant_id = $1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'claimable', count(*), 0, (extract(epoch FROM min(s.run_at)) * 1000000)::bigint
FROM task.task_states AS s
WHERE s.claimable AND s.handler = 'builtin' AND ($1 IS NULL OR s.tenant_id = $1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'delayed', count(*), 0, null
FROM task.task_states AS s
WHERE s.status = 'queued' AND NOT s.claimable AND NOT s.parked AND ($1 IS NULL OR s.tenant_id = $1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'parked', count(*), 0, null
FROM task.task_states AS s
WHERE s.parked AND s.concurrency_key IS NOT NULL AND ($1 IS NULL OR s.tenant_id = $1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'running', count(*), 0, null
FROM task.task_states AS s
WHERE s.lease_token IS NOT NULL AND ($1 IS NULL OR s.tenant_id = $1)
GROUP BY 1, 2
UNION ALL
SELECT d.task_type, d.handler, CASE e.status WHEN 'completed' THEN 'completed' ELSE 'failed' END, count(*),
       count(*) FILTER (WHERE e.completed_at > now() - interval '1 minute'), null
FROM task.task_executions AS e
JOIN task.user_tasks AS d ON d.tenant_id = e.tenant_id AND d.id = e.task_id
WHERE e.completed_at > now() - interval '5 minutes' AND e.status IN ('completed', 'failed', 'timed_out')
  AND ($1 IS NULL OR e.tenant_id = $1)
GROUP BY 1, 2, 3
