dependencies AS (
    INSERT INTO task.task_dependencies (tenant_id, depends_on, task_id)
    SELECT DISTINCT p.tenant_id, d.depends_on, p.task_id
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_array_elements_text(p.depends_on) AS d(depends_on)
    ON CONFLICT DO NOTHING
),
conversations AS (
    INSERT INTO task.task_conversations (tenant_id, task_id, content, status, created_at, updated_at)
    SELECT p.tenant_id, p.id, c.entry->>'content', c.entry->>'status', p.created_at, p.created_at
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_array_elements(p.conversations) WITH ORDINALITY AS c(entry, k)
    ORDER BY p.ordinality, c.k
),
