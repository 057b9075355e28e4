-- The first ?2 candidates of the conversations that the canonical API made, in the order of the index
-- named: of every tenant or only of tenant ?3. ?1 and ?4 are not used: Task Management's tasks have the
-- same type, and are not read.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s INDEXED BY task_states_claim_conversation
WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = 'conversation' AND s.origin = 'task_service'
  AND (?3 IS NULL OR s.tenant_id = ?3) AND ?1 IS NOT NULL AND ?4 IS NOT NULL
ORDER BY s.priority, s.turn, s.id
LIMIT ?2
