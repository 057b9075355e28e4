\set user random(1, 1000)
BEGIN;
INSERT INTO tasks (user_id, name, status, config, created_at) VALUES ('user' || :user, 'bench', 'pending', '{"value": 1}', now()) RETURNING id \gset
INSERT INTO events (task_id, payload) VALUES (:id, '{"event_type": "task.created", "name": "bench", "status": "pending"}');
COMMIT;
