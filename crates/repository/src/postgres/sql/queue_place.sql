-- Where task $2 (bigint id) of tenant $1 stands in its queue; counts stop at $3. The order makes the
-- planner walk the claims' own index. More urgent tasks and those of the same priority are two walks,
-- and `turn` is bounded by itself, because a comparison of whole rows does not end a walk where it is over.
WITH me AS MATERIALIZED (
    SELECT s.* FROM task.task_states AS s WHERE s.tenant_id = $1 AND s.id = $2
)
SELECT me.claimable, me.parked,
    CASE
        WHEN NOT me.claimable THEN 0
        WHEN me.handler = 'worker' THEN (
            SELECT count(*) FROM (
                (SELECT 1
                 FROM task.task_states AS s
                 WHERE s.claimable AND s.handler = 'worker' AND s.tenant_id = $1 AND s.task_type = me.task_type
                   AND s.priority < me.priority
                 ORDER BY s.priority, s.turn, s.id
                 LIMIT $3)
                UNION ALL
                (SELECT 1
                 FROM task.task_states AS s
                 WHERE s.claimable AND s.handler = 'worker' AND s.tenant_id = $1 AND s.task_type = me.task_type
                   AND s.priority = me.priority AND s.turn <= me.turn AND (s.turn, s.id) < (me.turn, me.id)
                 ORDER BY s.turn, s.id
                 LIMIT $3)
                LIMIT $3) AS w)
        ELSE (
            SELECT count(*) FROM (
                (SELECT 1
                 FROM task.task_states AS s
                 WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = me.task_type
                   AND s.priority < me.priority
                 ORDER BY s.priority, s.turn, s.id
                 LIMIT $3)
                UNION ALL
                (SELECT 1
                 FROM task.task_states AS s
                 WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = me.task_type
                   AND s.priority = me.priority AND s.turn <= me.turn AND (s.turn, s.id) < (me.turn, me.id)
                 ORDER BY s.turn, s.id
                 LIMIT $3)
                LIMIT $3) AS b)
    END,
    CASE
        WHEN NOT me.parked THEN 0
        ELSE (
            SELECT count(*) FROM (
                SELECT 1
                FROM task.task_states AS s
                WHERE s.limited AND s.concurrency_key IS NOT NULL AND (s.claimable OR s.lease_token IS NOT NULL)
                  AND s.tenant_id = $1 AND s.concurrency_key = me.concurrency_key
                LIMIT $3) AS k)
    END
FROM me
