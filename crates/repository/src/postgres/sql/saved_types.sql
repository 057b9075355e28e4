SELECT 'task.saved_change'::regtype::oid, 'task.created_task'::regtype::oid, 'task.saved_execution'::regtype::oid,
       'task.saved_event'::regtype::oid, 'task.saved_event[]'::regtype::oid
