BEGIN;
WITH picked AS MATERIALIZED (SELECT id AS id, priority, turn FROM hot.task_states WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable ORDER BY priority, turn, id LIMIT :n FOR UPDATE SKIP LOCKED) SELECT * FROM picked;
ROLLBACK;
