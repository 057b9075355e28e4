BEGIN;
WITH cand AS MATERIALIZED (
  SELECT c.* FROM (SELECT i::smallint AS p FROM generate_series(1, 10) i) g CROSS JOIN LATERAL (
    SELECT x.* FROM unnest(ARRAY['type-0','type-1','type-2','type-3']) ty CROSS JOIN LATERAL (SELECT id, priority, turn FROM hot.task_states
      WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = ty AND priority = p AND claimable AND turn >= -1 ORDER BY turn, id LIMIT :n + 32) x ORDER BY x.turn, x.id LIMIT :n + 32) c LIMIT :n + 32),
picked AS MATERIALIZED (SELECT s.id FROM cand JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = cand.id
  WHERE s.claimable ORDER BY cand.priority, cand.turn, cand.id LIMIT :n FOR UPDATE OF s SKIP LOCKED)
SELECT * FROM picked;
ROLLBACK;
