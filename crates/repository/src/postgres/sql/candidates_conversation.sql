-- Candidates of the conversations that the canonical API made, of every tenant or only of tenant $8;
-- $1 to $3 and $10 are not used; $5 how many are wanted. All but the tenant are literals so that the
-- partial index is used: Task Management's tasks have the same type, and are not read.
WITH candidates AS MATERIALIZED (
    SELECT s.tenant_id, s.id, s.priority, s.turn
    FROM task.task_states AS s
    WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = 'conversation' AND s.origin = 'task_service'
      AND ($8 IS NULL OR s.tenant_id = $8)
    ORDER BY s.priority, s.turn, s.id
    LIMIT $5
),
