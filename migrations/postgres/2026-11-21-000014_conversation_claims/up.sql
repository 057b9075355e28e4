-- Conversations that the canonical API made, in the order in which they are claimed. Task Management
-- queues tasks of the same type, and a look for the former must not read through those.
CREATE INDEX task_states_claim_conversation ON task.task_states (priority, turn, id)
    WHERE claimable AND handler = 'builtin' AND task_type = 'conversation' AND origin = 'task_service';
