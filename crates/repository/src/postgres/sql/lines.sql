-- The turns of every owner with claimable work, by lane; those with the latest turns first, as many as are remembered.
SELECT s.handler, s.tenant_id, s.task_type, s.priority, coalesce(s.user_id, s.key_id, ''), min(s.turn), max(s.turn)
FROM task.task_states AS s
WHERE s.claimable
GROUP BY 1, 2, 3, 4, 5
ORDER BY max(s.turn) DESC
LIMIT 100000
