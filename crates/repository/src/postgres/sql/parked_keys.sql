-- Up to $3 keys with parked tasks after key $2 of tenant $1, in order: one look at the index for
-- each, however many tasks it has.
WITH RECURSIVE keys AS (
    (SELECT s.tenant_id, s.concurrency_key
     FROM task.task_states AS s
     WHERE s.parked AND s.concurrency_key IS NOT NULL AND (s.tenant_id, s.concurrency_key) > ($1, $2)
     ORDER BY s.tenant_id, s.concurrency_key
     LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.concurrency_key
    FROM keys AS k
    CROSS JOIN LATERAL (
        SELECT s.tenant_id, s.concurrency_key
        FROM task.task_states AS s
        WHERE s.parked AND s.concurrency_key IS NOT NULL
          AND (s.tenant_id, s.concurrency_key) > (k.tenant_id, k.concurrency_key)
        ORDER BY s.tenant_id, s.concurrency_key
        LIMIT 1
    ) AS n
)
SELECT tenant_id, concurrency_key FROM keys LIMIT $3
