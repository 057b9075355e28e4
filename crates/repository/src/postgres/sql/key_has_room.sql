-- Whether the next parked task of key $2 of tenant $1 may be let through, read without a lock:
-- whoever commits last, the one that parks or the one that makes room, sees both.
SELECT coalesce((
    SELECT p.max_concurrent > (
        SELECT count(*)
        FROM task.task_states AS s
        WHERE s.limited AND s.concurrency_key IS NOT NULL AND (s.claimable OR s.lease_token IS NOT NULL)
          AND s.tenant_id = $1 AND s.concurrency_key = $2)
    FROM task.task_states AS p
    WHERE p.parked AND p.concurrency_key IS NOT NULL AND p.tenant_id = $1 AND p.concurrency_key = $2
    ORDER BY p.priority, p.turn, p.id
    LIMIT 1
), false)
