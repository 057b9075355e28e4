BEGIN;
WITH picked AS MATERIALIZED (SELECT s.* FROM generate_series(1, 10) g CROSS JOIN unnest(ARRAY['type-0','type-1','type-2','type-3']) ty CROSS JOIN LATERAL (SELECT id, priority, turn FROM hot.task_states
  WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = ty AND priority = g::smallint AND claimable AND turn >= -1 ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s LIMIT :n)
SELECT * FROM picked;
ROLLBACK;
