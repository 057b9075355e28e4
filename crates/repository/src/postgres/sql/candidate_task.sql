-- The one task $1 of tenant $8, for handler $2, of origin $3 if it matters; $4 and $5 are not used.
-- Whoever else is claiming it is waited for: only then it is known whether it can be had.
WITH candidates AS MATERIALIZED (
    SELECT s.tenant_id, s.id
    FROM task.task_states AS s
    WHERE s.tenant_id = $8
      AND s.id = (SELECT d.id FROM task.user_tasks AS d WHERE d.tenant_id = $8 AND d.task_id = $1 AND d.deleted_at IS NULL)
      AND s.claimable AND s.handler = $2
      AND ($3 IS NULL OR s.origin = $3)
    FOR UPDATE
),
picked AS (
    SELECT tenant_id, id FROM candidates
),
