definition AS (
    UPDATE task.user_tasks AS d
    SET name = t.name,
        description = t.description,
        config = t.config,
        metadata = t.metadata,
        tags = t.tags,
        labels = t.labels,
        attributes = t.attributes,
        priority = t.priority,
        schedule = t.schedule,
        due_date = t.due_date,
        reminder_time = t.reminder_time,
        reminded_at = t.reminded_at,
        timeout_seconds = t.timeout_seconds,
        depends_on = t.depends_on,
        retry = t.retry,
        credits_per_run = t.credits_per_run,
        version = t.version,
        deleted_at = t.deleted_at,
        concurrency_key = t.concurrency_key,
        max_concurrent = t.max_concurrent
    FROM hot AS h
    CROSS JOIN LATERAL jsonb_populate_record(null::task.user_tasks, h.definition) AS t
    WHERE h.definition IS NOT NULL AND d.tenant_id = h.tenant_id AND d.id = h.id
),
