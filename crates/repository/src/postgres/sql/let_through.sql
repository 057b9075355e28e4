-- Lets parked tasks of key $2 of tenant $1 through to the claims, in their order, while each finds
-- fewer than its limit before it: those that a worker may claim, and those that are leased. The
-- lock of the key is held.
WITH used AS MATERIALIZED (
    SELECT count(*) AS n
    FROM task.task_states AS s
    WHERE s.limited AND s.concurrency_key IS NOT NULL AND (s.claimable OR s.lease_token IS NOT NULL)
      AND s.tenant_id = $1 AND s.concurrency_key = $2
),
next AS MATERIALIZED (
    SELECT p.id, p.max_concurrent, row_number() OVER (ORDER BY p.priority, p.turn, p.id) AS nth
    FROM (
        SELECT s.id, s.priority, s.turn, s.max_concurrent
        FROM task.task_states AS s
        WHERE s.parked AND s.concurrency_key IS NOT NULL AND s.tenant_id = $1 AND s.concurrency_key = $2
        ORDER BY s.priority, s.turn, s.id
        LIMIT 100
    ) AS p
),
fitting AS MATERIALIZED (
    SELECT n.id, bool_and(n.max_concurrent >= u.n + n.nth) OVER (ORDER BY n.nth) AS fits
    FROM next AS n
    CROSS JOIN used AS u
)
UPDATE task.task_states AS s
SET claimable = true, parked = false
WHERE s.tenant_id = $1 AND s.id = ANY (ARRAY(SELECT f.id FROM fitting AS f WHERE f.fits)) AND s.parked
RETURNING s.handler, s.task_type, s.priority, s.turn
