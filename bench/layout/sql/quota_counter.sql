\set u random(0, :users)
BEGIN;
UPDATE quota.counters SET active = active + 1 WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text RETURNING active;
INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, to_status) VALUES ('default', 1, 1, 'quota', 'created');
COMMIT;
