\set u random(0, :users)
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('default/user-' || :u::text, 0));
SELECT count(*) FROM (SELECT 1 FROM hot.task_states WHERE tenant_id = 'default' AND user_id = 'probe-' || :u::text AND is_active LIMIT 101) x;
INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, to_status) VALUES ('default', 1, 1, 'quota', 'created');
COMMIT;
