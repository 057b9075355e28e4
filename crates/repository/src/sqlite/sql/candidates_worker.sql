-- The first ?2 candidates of outside workers of type ?1 of tenant ?3, in the order of the index named;
-- ?4 is the origin, if it matters.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s INDEXED BY task_states_claim_worker
WHERE s.claimable AND s.handler = 'worker' AND s.tenant_id = ?3 AND s.task_type = ?1
  AND (?4 IS NULL OR s.origin = ?4)
ORDER BY s.priority, s.turn, s.id
LIMIT ?2 + 0
