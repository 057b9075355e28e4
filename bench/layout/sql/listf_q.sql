\set u random(0, 999)
SELECT d.id, d.task_id, d.name, d.description, d.task_type, d.config, d.tags, d.labels, d.created_at, d.status FROM que.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text AND status = 'running' ORDER BY id DESC LIMIT 50;
