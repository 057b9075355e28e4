-- Where the tasks $2 of the tenants $1 stand, in their order; those that are not there or are deleted
-- have no row. The columns that track.rs reads.
SELECT w.n, d.id, s.status, s.event_seq, s.progress_seq,
    coalesce((SELECT max(h.id) FROM task.task_history AS h WHERE h.tenant_id = d.tenant_id AND h.task_id = d.id), 0),
    coalesce((SELECT min(p.seq_id) FROM task.task_progress AS p WHERE p.tenant_id = d.tenant_id AND p.task_id = d.id), s.progress_seq + 1),
    s.last_error, s.updated_at
FROM unnest($1, $2) WITH ORDINALITY AS w(tenant_id, task_id, n)
JOIN task.user_tasks AS d ON d.tenant_id = w.tenant_id AND d.task_id = w.task_id AND d.deleted_at IS NULL
JOIN task.task_states AS s ON s.tenant_id = d.tenant_id AND s.id = d.id
ORDER BY w.n
