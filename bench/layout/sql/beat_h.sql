\set i random(1, 10000)
\set i :i + :rows
UPDATE hot.task_states SET lease_expires_at = now() + interval '60 seconds'
WHERE tenant_id = 'default' AND id = :i AND lease_token = md5(:i::text)::uuid AND lease_expires_at > now() RETURNING lease_expires_at;
