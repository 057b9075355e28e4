ALTER TABLE task.outbox_events ADD PRIMARY KEY (tenant_id, id);
DROP TYPE task.created_task, task.saved_change, task.saved_execution, task.saved_event;
