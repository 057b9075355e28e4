\set u random(0, 999)
SELECT d.id, d.task_id, d.name, d.description, d.task_type, d.config, d.tags, d.labels, d.created_at, d.status, d.run_count, d.next_run_time FROM que.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text ORDER BY id DESC LIMIT 50;
