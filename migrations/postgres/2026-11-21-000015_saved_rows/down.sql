DROP TYPE task.created_task, task.saved_change, task.saved_execution, task.saved_event;
