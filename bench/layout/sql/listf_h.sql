\set u random(0, 999)
SELECT d.id, d.task_id, d.name, d.description, d.task_type, d.config, d.tags, d.labels, d.created_at, s.status FROM hot.user_tasks d JOIN hot.task_states s ON s.tenant_id = d.tenant_id AND s.id = d.id
WHERE d.tenant_id = 'default' AND d.user_id = 'user-' || :u::text AND s.status = 'running' ORDER BY d.id DESC LIMIT 50;
