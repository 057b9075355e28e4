BEGIN;
WITH picked AS MATERIALIZED (SELECT s.* FROM unnest(:wm::bigint[]) WITH ORDINALITY AS l(mark, p)
    CROSS JOIN LATERAL (SELECT id AS id, priority, turn FROM hot.task_states WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable
      AND priority = l.p::smallint AND turn >= l.mark ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s
  LIMIT :n) SELECT * FROM picked;
ROLLBACK;
