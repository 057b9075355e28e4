-- Gives the entries of a task a status: $1 tenant, $2 task, $3 lease, $4 status. The first column says
-- whether the lease is current, the second how many entries had another status.
WITH held AS MATERIALIZED (
    SELECT s.tenant_id, s.id
    FROM task.user_tasks AS d
    JOIN task.task_states AS s ON s.tenant_id = d.tenant_id AND s.id = d.id
    WHERE d.tenant_id = $1 AND d.task_id = $2 AND d.deleted_at IS NULL
      AND s.lease_token = $3 AND s.lease_expires_at > clock_timestamp()
    -- Who takes the lease over waits until the entries are marked.
    FOR NO KEY UPDATE OF s
),
marked AS (
    UPDATE task.task_conversations AS c
    SET status = $4, updated_at = clock_timestamp()
    FROM held AS h
    WHERE c.tenant_id = h.tenant_id AND c.task_id = h.id AND c.status <> $4
    RETURNING c.id
)
SELECT EXISTS (SELECT FROM held), (SELECT count(*) FROM marked)
