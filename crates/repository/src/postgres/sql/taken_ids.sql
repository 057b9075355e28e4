-- Which of the new tasks $2 of the tenants $1 cannot be made because their id is taken, by number from 1.
SELECT c.n
FROM unnest($1, $2) WITH ORDINALITY AS c(tenant_id, task_id, n)
WHERE EXISTS (SELECT FROM task.user_tasks AS d WHERE d.tenant_id = c.tenant_id AND d.task_id = c.task_id)
