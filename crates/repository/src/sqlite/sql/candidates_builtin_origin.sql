-- The first ?2 candidates of our own executors among what the drop-in API ?4 made, in the order of the
-- index named: of every tenant or only of tenant ?3. ?1 are the types as JSON, null = every type.
SELECT s.tenant_id, s.id, s.priority, s.turn
FROM task_states AS s INDEXED BY task_states_claim_builtin_origin
WHERE s.claimable AND s.handler = 'builtin' AND s.origin <> 'task_service' AND s.origin = ?4
  AND (?3 IS NULL OR s.tenant_id = ?3)
  AND (?1 IS NULL OR s.task_type IN (SELECT t.value FROM json_each(?1) AS t))
ORDER BY s.priority, s.turn, s.id
LIMIT ?2 + 0
