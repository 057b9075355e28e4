\set u random(0, 999)
SELECT d.id, d.task_id, d.name, d.description, d.task_type, d.config, d.tags, d.labels, d.created_at, s.status, s.priority, s.run_count, s.next_run_time FROM
(SELECT * FROM hot.user_tasks WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text ORDER BY id DESC LIMIT 50) d
JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = d.id ORDER BY d.id DESC;
