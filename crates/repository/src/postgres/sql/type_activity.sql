-- What was done lately of type $2 and handler $3, of tenant $1 or of all: whether any is leased, when
-- the youngest execution seen started, how many of the sample of ended ones were of it, how large
-- the sample is, and over how many seconds it goes. The sample is of the youngest, along the index of
-- the ends.
WITH leases AS MATERIALIZED (
    SELECT l.started_at
    FROM (
        SELECT s.task_type, s.handler, s.started_at
        FROM task.task_states AS s
        WHERE s.lease_token IS NOT NULL AND ($1 IS NULL OR s.tenant_id = $1)
        ORDER BY s.tenant_id, s.id
        LIMIT 1000
    ) AS l
    WHERE l.task_type = $2 AND l.handler = $3
),
sample AS MATERIALIZED (
    SELECT e.tenant_id, e.task_id, e.started_at, e.completed_at
    FROM task.task_executions AS e
    WHERE e.completed_at > now() - interval '1 minute' AND e.status IN ('completed', 'failed', 'timed_out')
      AND e.started_at IS NOT NULL AND ($1 IS NULL OR e.tenant_id = $1)
    ORDER BY e.completed_at DESC
    LIMIT 500
),
ended AS MATERIALIZED (
    SELECT x.started_at
    FROM sample AS x
    CROSS JOIN LATERAL (
        SELECT s.task_type, s.handler FROM task.task_states AS s WHERE s.tenant_id = x.tenant_id AND s.id = x.task_id LIMIT 1
    ) AS t
    WHERE t.task_type = $2 AND t.handler = $3
)
SELECT EXISTS (SELECT 1 FROM leases),
    (SELECT max(a.started_at) FROM (SELECT started_at FROM leases UNION ALL SELECT started_at FROM ended) AS a),
    (SELECT count(*) FROM ended),
    (SELECT count(*) FROM sample),
    (SELECT extract(epoch FROM max(completed_at) - min(completed_at))::double precision FROM sample)
