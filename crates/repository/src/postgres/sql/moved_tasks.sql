-- Which of the tasks $2 of the tenants $1 are not at event_seq $3 any more, by number from 1.
SELECT c.n
FROM unnest($1, $2, $3) WITH ORDINALITY AS c(tenant_id, id, event_seq, n)
WHERE NOT EXISTS (
    SELECT FROM task.task_states AS s WHERE s.tenant_id = c.tenant_id AND s.id = c.id AND s.event_seq = c.event_seq
)
