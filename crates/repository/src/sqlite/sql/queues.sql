-- What waits, runs and has ended within five minutes, by type, handler and kind; of tenant ?1 or of
-- all. ?2 and ?3 are five minutes and one minute ago. Each part reads an index of its own.
SELECT s.task_type, s.handler, 'claimable' AS kind, count(*) AS all_of_them, 0 AS last_minute, min(s.run_at) AS oldest
FROM task_states AS s
WHERE s.claimable AND s.handler = 'worker' AND (?1 IS NULL OR s.tenant_id = ?1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'claimable', count(*), 0, min(s.run_at)
FROM task_states AS s
WHERE s.claimable AND s.handler = 'builtin' AND (?1 IS NULL OR s.tenant_id = ?1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'delayed', count(*), 0, null
FROM task_states AS s
WHERE s.status = 'queued' AND NOT s.claimable AND NOT s.parked AND (?1 IS NULL OR s.tenant_id = ?1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'parked', count(*), 0, null
FROM task_states AS s
WHERE s.parked AND s.concurrency_key IS NOT NULL AND (?1 IS NULL OR s.tenant_id = ?1)
GROUP BY 1, 2
UNION ALL
SELECT s.task_type, s.handler, 'running', count(*), 0, null
FROM task_states AS s
WHERE s.lease_token IS NOT NULL AND (?1 IS NULL OR s.tenant_id = ?1)
GROUP BY 1, 2
UNION ALL
SELECT d.task_type, d.handler, CASE e.status WHEN 'completed' THEN 'completed' ELSE 'failed' END, count(*),
       sum(e.completed_at > ?3), null
FROM task_executions AS e
JOIN user_tasks AS d ON d.tenant_id = e.tenant_id AND d.id = e.task_id
WHERE e.completed_at > ?2 AND e.status IN ('completed', 'failed', 'timed_out')
  AND (?1 IS NULL OR e.tenant_id = ?1)
GROUP BY 1, 2, 3
