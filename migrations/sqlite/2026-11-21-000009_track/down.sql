ALTER TABLE task_history DROP COLUMN progress_seq;
ALTER TABLE task_history DROP COLUMN ended;
