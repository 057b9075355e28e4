-- The first ?2 candidates of outside workers of type ?1 of tenant ?3 among what the drop-in API ?4
-- made, in the order of the index named.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s INDEXED BY task_states_claim_worker_origin
WHERE s.claimable AND s.handler = 'worker' AND s.origin <> 'task_service'
  AND s.tenant_id = ?3 AND s.origin = ?4 AND s.task_type = ?1
ORDER BY s.priority, s.turn, s.id
LIMIT ?2 + 0
