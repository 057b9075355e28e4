-- Lists of the drop-in APIs, each of which sees the tasks of its own origin. Tasks of the canonical
-- API are in neither, and pay for neither.

-- Newest first, and what is counted by status and type.
CREATE INDEX task_states_by_origin ON task_states (tenant_id, origin, id) WHERE origin <> 'task_service';
-- What waits, in the order in which it is offered. Written as the store asks for it.
CREATE INDEX task_states_waiting ON task_states (tenant_id, origin, priority, id)
    WHERE origin <> 'task_service' AND status IN ('pending', 'scheduled', 'blocked', 'queued', 'paused');
