DROP INDEX task.task_states_claim_conversation;
