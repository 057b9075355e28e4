-- The first ?2 candidates of our own executors of type ?1, in the order of the index named: of every
-- tenant or only of tenant ?3; ?4 is the origin, if it matters.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s INDEXED BY task_states_claim_builtin
WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = ?1
  AND (?3 IS NULL OR s.tenant_id = ?3) AND (?4 IS NULL OR s.origin = ?4)
ORDER BY s.priority, s.turn, s.id
LIMIT ?2 + 0
