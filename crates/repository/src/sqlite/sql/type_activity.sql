-- What was done since ?4 of type ?2 and handler ?3, of tenant ?1 or of all: how many are leased, when
-- the youngest execution seen started, how many of the sample of ended ones were of it, how large
-- the sample is, and over how many seconds it goes.
WITH leases AS MATERIALIZED (
    SELECT l.started_at
    FROM (
        SELECT s.task_type, s.handler, s.started_at
        FROM task_states AS s
        WHERE s.lease_token IS NOT NULL AND (?1 IS NULL OR s.tenant_id = ?1)
        LIMIT 1000
    ) AS l
    WHERE l.task_type = ?2 AND l.handler = ?3
),
sample AS MATERIALIZED (
    SELECT e.tenant_id, e.task_id, e.started_at, e.completed_at
    FROM task_executions AS e
    WHERE e.completed_at > ?4 AND e.status IN ('completed', 'failed', 'timed_out')
      AND e.started_at IS NOT NULL AND (?1 IS NULL OR e.tenant_id = ?1)
    ORDER BY e.completed_at DESC
    LIMIT 500
),
ended AS MATERIALIZED (
    SELECT x.started_at
    FROM sample AS x
    CROSS JOIN task_states AS s
    WHERE s.tenant_id = x.tenant_id AND s.id = x.task_id AND s.task_type = ?2 AND s.handler = ?3
)
SELECT (SELECT count(*) FROM leases) AS leased,
    (SELECT max(a.started_at) FROM (SELECT started_at FROM leases UNION ALL SELECT started_at FROM ended) AS a) AS last_started,
    (SELECT count(*) FROM ended) AS ended,
    (SELECT count(*) FROM sample) AS sampled,
    coalesce((SELECT max(completed_at) - min(completed_at) FROM sample), 0) / 1000000.0 AS span
