-- The first ?2 candidates of outside workers of type ?1 of every tenant: no index has this order, so
-- it reads all claimable rows of the type. ?3 is not used; ?4 is the origin, if it matters.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s
WHERE s.claimable AND s.handler = 'worker' AND s.task_type = ?1
  AND (?3 IS NULL OR s.tenant_id = ?3) AND (?4 IS NULL OR s.origin = ?4)
ORDER BY s.priority, s.turn, s.id
LIMIT ?2 + 0
