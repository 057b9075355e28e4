-- Of up to $2 tasks that were deleted more than $1 seconds ago removes up to $2 rows of each kind of
-- record, and the tasks themselves when none of them has a record left. A task that others were
-- created to wait for stays. Answers how many rows went.
WITH old AS MATERIALIZED (
    SELECT t.tenant_id, t.id, t.task_id FROM task.user_tasks AS t
    WHERE t.deleted_at < now() - make_interval(secs => $1)
      AND NOT EXISTS (SELECT 1 FROM task.task_dependencies AS d WHERE d.tenant_id = t.tenant_id AND d.depends_on = t.task_id)
    ORDER BY t.deleted_at LIMIT $2 FOR UPDATE OF t SKIP LOCKED
),
progress AS MATERIALIZED (
    SELECT x.* FROM old AS o
    CROSS JOIN LATERAL (
        SELECT r.tenant_id, r.task_id, r.seq_id FROM task.task_progress AS r WHERE r.tenant_id = o.tenant_id AND r.task_id = o.id LIMIT $2
    ) AS x
    LIMIT $2
),
executions AS MATERIALIZED (
    SELECT x.* FROM old AS o
    CROSS JOIN LATERAL (
        SELECT r.tenant_id, r.task_id, r.id FROM task.task_executions AS r WHERE r.tenant_id = o.tenant_id AND r.task_id = o.id LIMIT $2
    ) AS x
    LIMIT $2
),
history AS MATERIALIZED (
    SELECT x.* FROM old AS o
    CROSS JOIN LATERAL (
        SELECT r.tenant_id, r.task_id, r.id FROM task.task_history AS r WHERE r.tenant_id = o.tenant_id AND r.task_id = o.id LIMIT $2
    ) AS x
    LIMIT $2
),
conversations AS MATERIALIZED (
    SELECT x.* FROM old AS o
    CROSS JOIN LATERAL (
        SELECT r.tenant_id, r.task_id, r.id FROM task.task_conversations AS r WHERE r.tenant_id = o.tenant_id AND r.task_id = o.id LIMIT $2
    ) AS x
    LIMIT $2
),
found AS MATERIALIZED (
    SELECT p.n AS progress, e.n AS executions, h.n AS history, c.n AS conversations,
        greatest(p.n, e.n, h.n, c.n) < $2 AS is_all
    FROM (SELECT count(*) AS n FROM progress) AS p, (SELECT count(*) AS n FROM executions) AS e,
        (SELECT count(*) AS n FROM history) AS h, (SELECT count(*) AS n FROM conversations) AS c
),
no_progress AS (
    DELETE FROM task.task_progress AS x USING progress AS r
    WHERE x.tenant_id = r.tenant_id AND x.task_id = r.task_id AND x.seq_id = r.seq_id
),
no_executions AS (
    DELETE FROM task.task_executions AS x USING executions AS r
    WHERE x.tenant_id = r.tenant_id AND x.task_id = r.task_id AND x.id = r.id
),
no_history AS (
    DELETE FROM task.task_history AS x USING history AS r
    WHERE x.tenant_id = r.tenant_id AND x.task_id = r.task_id AND x.id = r.id
),
no_conversations AS (
    DELETE FROM task.task_conversations AS x USING conversations AS r
    WHERE x.tenant_id = r.tenant_id AND x.task_id = r.task_id AND x.id = r.id
),
bare AS MATERIALIZED (SELECT o.* FROM old AS o, found AS f WHERE f.is_all),
no_states AS (DELETE FROM task.task_states AS x USING bare AS b WHERE x.tenant_id = b.tenant_id AND x.id = b.id),
no_dependencies AS (
    DELETE FROM task.task_dependencies AS x USING bare AS b WHERE x.tenant_id = b.tenant_id AND x.task_id = b.task_id
),
no_tasks AS (DELETE FROM task.user_tasks AS x USING bare AS b WHERE x.tenant_id = b.tenant_id AND x.id = b.id)
SELECT f.progress + f.executions + f.history + f.conversations + (SELECT count(*) FROM bare) FROM found AS f
