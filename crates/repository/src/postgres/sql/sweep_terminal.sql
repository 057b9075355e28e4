-- Goes over up to $4 tasks that ended more than $1 seconds ago, in the order of their ends after
-- ($2, $3), and removes up to $4 entries of their progress, and what they were created to wait for.
-- Answers where to go on: the end and number of the last task before any that may have entries left.
WITH old AS MATERIALIZED (
    SELECT tenant_id, id, completed_at, progress_seq FROM task.task_states
    WHERE completed_at < now() - make_interval(secs => $1) AND completed_at >= $2 AND (completed_at, id) > ($2, $3)
    ORDER BY completed_at, id LIMIT $4
),
entries AS MATERIALIZED (
    SELECT o.completed_at, x.tenant_id, x.task_id, x.seq_id FROM old AS o
    CROSS JOIN LATERAL (
        SELECT p.tenant_id, p.task_id, p.seq_id FROM task.task_progress AS p
        WHERE o.progress_seq > 0 AND p.tenant_id = o.tenant_id AND p.task_id = o.id LIMIT $4
    ) AS x
    LIMIT $4
),
progress AS (
    DELETE FROM task.task_progress AS x USING entries AS e
    WHERE x.tenant_id = e.tenant_id AND x.task_id = e.task_id AND x.seq_id = e.seq_id
),
dependencies AS (
    DELETE FROM task.task_dependencies AS x USING old AS o, task.user_tasks AS t
    WHERE t.tenant_id = o.tenant_id AND t.id = o.id AND x.tenant_id = t.tenant_id AND x.task_id = t.task_id
),
done AS (
    SELECT completed_at, id FROM old
    WHERE (SELECT count(*) FROM entries) < $4
       OR (completed_at, id) < (SELECT completed_at, task_id FROM entries ORDER BY completed_at, task_id LIMIT 1)
    ORDER BY completed_at DESC, id DESC LIMIT 1
)
SELECT coalesce(d.completed_at, $2), coalesce(d.id, $3)
FROM (SELECT 1 FROM old LIMIT 1) AS some_old
LEFT JOIN done AS d ON true
