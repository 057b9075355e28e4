#!/usr/bin/env python3
"""Writes the pgbench scripts next to itself. One source for what the candidates have in common."""
import pathlib
OUT = pathlib.Path(__file__).parent
def put(name, text): (OUT / f"{name}.sql").write_text(text.strip() + "\n")

def pick(tbl, how="lanes", n=":n", idcol="id"):
    where = "tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable"
    if how == "ordered":   # one scan over (priority, turn, id)
        return f"""SELECT {idcol} AS id, priority, turn FROM {tbl} WHERE {where} ORDER BY priority, turn, id LIMIT {n} FOR UPDATE SKIP LOCKED"""
    # one probe per lane (type, priority), each with its own lower bound; LIMIT stops the nested loop, so no row is locked beyond n
    return f"""SELECT s.* FROM unnest(:wm::bigint[]) WITH ORDINALITY AS l(mark, p)
    CROSS JOIN LATERAL (SELECT {idcol} AS id, priority, turn FROM {tbl} WHERE {where}
      AND priority = l.p::smallint AND turn >= l.mark ORDER BY turn, id LIMIT {n} FOR UPDATE SKIP LOCKED) s
  LIMIT {n}"""

LEASE = "lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds'"
def trail(s, frm, src, row, seq_back, events):
    """history row and outbox rows for every row of CTE src"""
    ev = "\n    UNION ALL ".join(
        f"SELECT tenant_id, {row}, event_seq - {b}, public.uid7(), '{e}', public.payload({row}::text, user_id, status) FROM {src}" for e, b in events)
    return f"""hist AS (INSERT INTO {s}.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, {row}, event_seq - {seq_back}, 'worker', {frm}, status, execution_id FROM {src}),
evts AS (INSERT INTO {s}.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    {ev})"""
CH = [("task.status_changed", 0)]
FIN = [("task.status_changed", 1), ("task.executed", 0)]

def newmark():  # the caller's bookkeeping: a lane's mark is its last claimed turn less one second
    return """(SELECT array_agg(CASE WHEN c.id IS NULL THEN -1 WHEN w.p = c.priority THEN c.turn - :slack ELSE w.m END ORDER BY w.p)
          FROM unnest(:wm::bigint[]) WITH ORDINALITY AS w(m, p))"""

def claim(k, how="lanes", wm=False, gset=True, n=":n"):
    mark = f", {newmark()} AS wm" if wm else ""
    s = {"w": "wide", "h": "hot", "q": "que"}[k]
    if k == "w":
        body = f"""WITH picked AS MATERIALIZED (
  {pick('wide.user_tasks', how, n)}
), claimed AS (UPDATE wide.user_tasks SET status = 'running', claimable = false, {LEASE}, worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
exec AS (UPDATE wide.task_executions e SET status = 'running', worker_id = c.worker_id, attempt = c.attempt, started_at = now()
  FROM claimed c WHERE e.tenant_id = 'default' AND e.execution_id = c.execution_id),
{trail(s, "'queued'", 'claimed', 'id', 0, CH)}
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, c.name, c.config::text AS config{mark}
FROM (VALUES (1)) one LEFT JOIN claimed c ON true"""
    elif k == "h":
        body = f"""WITH picked AS MATERIALIZED (
  {pick('hot.task_states', how, n)}
), claimed AS (UPDATE hot.task_states SET status = 'running', claimable = false, {LEASE}, worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
{trail(s, "'queued'", 'claimed', 'id', 0, CH)}
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, d.name, d.config::text AS config{mark}
FROM (VALUES (1)) one LEFT JOIN claimed c ON true LEFT JOIN hot.user_tasks d ON d.tenant_id = 'default' AND d.id = c.id"""
    else:
        body = f"""WITH picked AS MATERIALIZED (
  {pick('que.task_executions', how, n)}
), leased AS (UPDATE que.task_executions SET status = 'running', claimable = false, {LEASE}, worker_id = 'worker-1', started_at = now()
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
claimed AS (UPDATE que.user_tasks t SET status = 'running', event_seq = event_seq + 1
  FROM leased e WHERE t.tenant_id = 'default' AND t.id = e.task_row
  RETURNING t.id AS task_row, t.tenant_id, t.user_id, t.status, t.event_seq, t.name, t.config, e.execution_id, e.lease_token, e.id, e.priority, e.turn),
{trail(s, "'queued'", 'claimed', 'task_row', 0, CH)}
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, c.name, c.config::text AS config{mark}
FROM (VALUES (1)) one LEFT JOIN claimed c ON true"""
    return body + ("\n\\gset c_" if gset else ";")

RES = """'{"rows": 1200, "url": "https://example.org/result/1"}'::jsonb"""
def complete(k):
    if k == "w":
        return f"""WITH done AS (UPDATE wide.user_tasks SET status = 'completed', is_active = false, lease_token = NULL, lease_expires_at = NULL,
    event_seq = event_seq + 2, run_count = run_count + 1, success_count = success_count + 1, last_run_time = now(), last_result = {RES},
    total_credits = total_credits + credits_per_run
  WHERE tenant_id = 'default' AND id = :c_id AND lease_token = :c_token::uuid RETURNING *),
exec AS (UPDATE wide.task_executions e SET status = 'completed', result = {RES}, completed_at = now(), duration_ms = 5, credits = 1.5
  FROM done d WHERE e.tenant_id = 'default' AND e.execution_id = d.execution_id),
{trail('wide', "'running'", 'done', 'id', 1, FIN)}
SELECT count(*) FROM done;"""
    if k == "h":
        return f"""WITH done AS (UPDATE hot.task_states SET status = 'completed', is_active = false, lease_token = NULL, lease_expires_at = NULL,
    event_seq = event_seq + 2, run_count = run_count + 1, success_count = success_count + 1, last_run_time = now(),
    last_execution = nextval('hot.task_executions_id_seq'), total_credits = total_credits + 1.5
  WHERE tenant_id = 'default' AND id = :c_id AND lease_token = :c_token::uuid RETURNING *),
exec AS (INSERT INTO hot.task_executions (id, tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, worker_id, result,
    credits, duration_ms, queued_at, started_at, completed_at)
  SELECT last_execution, tenant_id, id, execution_id, run_id, attempt, user_id, 'completed', 'created', worker_id, {RES}, 1.5, 5, queued_at,
    started_at, now() FROM done),
{trail('hot', "'running'", 'done', 'id', 1, FIN)}
SELECT count(*) FROM done;"""
    return f"""WITH ended AS (UPDATE que.task_executions SET status = 'completed', lease_token = NULL, lease_expires_at = NULL, result = {RES},
    completed_at = now(), duration_ms = 5, credits = 1.5
  WHERE tenant_id = 'default' AND id = :c_id AND lease_token = :c_token::uuid RETURNING *),
done AS (UPDATE que.user_tasks t SET status = 'completed', is_active = false, event_seq = event_seq + 2, run_count = run_count + 1,
    success_count = success_count + 1, last_run_time = now(), total_credits = total_credits + 1.5
  FROM ended e WHERE t.tenant_id = 'default' AND t.id = e.task_row
  RETURNING t.id AS task_row, t.tenant_id, t.user_id, t.status, t.event_seq, e.execution_id),
{trail('que', "'running'", 'done', 'task_row', 1, FIN)}
SELECT count(*) FROM done;"""

HEAD = "\\set t :client_id % :types\n"
BARE = """UPDATE bare.q SET status = 'running' FROM (SELECT id FROM bare.q WHERE status = 'queued' ORDER BY priority, run_at, id LIMIT {n} FOR UPDATE SKIP LOCKED) p
WHERE q.id = p.id RETURNING q.id"""
put("claim_bare", BARE.format(n=1) + ";")
put("batch_bare", """WITH p AS MATERIALIZED (SELECT id FROM bare.q WHERE status = 'queued' ORDER BY priority, run_at, id LIMIT 50 FOR UPDATE SKIP LOCKED)
UPDATE bare.q SET status = 'running' WHERE id = ANY (ARRAY(SELECT id FROM p)) RETURNING id;""")
put("cycle_bare", BARE.format(n=1) + "\n\\gset c_\nUPDATE bare.q SET status = 'completed' WHERE id = :c_id AND status = 'running';")
put("create_bare", "INSERT INTO bare.q (status, priority, run_at) VALUES ('queued', 5, now());")
for k in "whq":
    put(f"claim_{k}", HEAD + claim(k))
    put(f"batch_{k}", HEAD + claim(k, gset=False))
    put(f"cycle_{k}", HEAD + claim(k) + "\n" + complete(k))
    put(f"claimwm_{k}", HEAD + claim(k, wm=True).replace("\\gset c_", "\\gset"))
put("claimord_h", HEAD + claim("h", how="ordered"))

COLS = "tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry, credits_per_run, created_at, updated_at"
VALS = """'default', public.uid7()::text, 'user-' || :u::text, 'task_service', 'Report of a user',
    'Builds the report of one user and sends it to the address on file.', 'type-0',
    '{"source": "s3://bucket/prefix/0123456789abcdef", "format": "parquet", "columns": ["a", "b", "c", "d", "e"], "notify": true, "threshold": 7, "callback": "https://example.org/hooks/0123456789abcdef0123456789abcdef", "template": "weekly-summary", "options": {"retries": 3, "compress": "zstd", "region": "eu-west-1"}}'::jsonb,
    ARRAY['report', 'daily'], '{"team": "data"}'::jsonb, 'builtin', '{"max_attempts": 3, "backoff": "exponential"}'::jsonb, 1.5, now(), now()""".replace('"s3://', '"s3/').replace("https://", "https/")
U = "\\set u random(0, 999)\n"
TURN = "(extract(epoch FROM now()) * 1000000)::bigint"
def created(s, row="id", src="made"):
    return trail(s, "NULL", src, row, 0, [("task.created", 0)])
put("create_w", U + f"""WITH made AS (INSERT INTO wide.user_tasks ({COLS}, priority, status, claimable, is_active, turn, event_seq, execution_id, run_id, queued_at)
  VALUES ({VALS}, 5, 'queued', true, true, {TURN}, 1, public.uid7(), public.uid7(), now()) RETURNING *),
exec AS (INSERT INTO wide.task_executions (tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at)
  SELECT tenant_id, id, execution_id, run_id, 1, user_id, 'queued', 'created', now() FROM made),
{created('wide')}
SELECT id FROM made;""")
put("create_h", U + f"""WITH def AS (INSERT INTO hot.user_tasks ({COLS}) VALUES ({VALS}) RETURNING id, tenant_id, user_id, handler, task_type),
made AS (INSERT INTO hot.task_states (id, tenant_id, user_id, handler, task_type, priority, status, claimable, is_active, turn, event_seq, execution_id, run_id, queued_at)
  SELECT id, tenant_id, user_id, handler, task_type, 5, 'queued', true, true, {TURN}, 1, public.uid7(), public.uid7(), now() FROM def RETURNING *),
{created('hot')}
SELECT id FROM made;""")
put("create_q", U + f"""WITH def AS (INSERT INTO que.user_tasks ({COLS}, status, is_active, event_seq) VALUES ({VALS}, 'queued', true, 1)
  RETURNING id, tenant_id, user_id, handler, task_type, status, event_seq),
exec AS (INSERT INTO que.task_executions (tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at, turn, handler, task_type, priority, claimable)
  SELECT tenant_id, id, public.uid7(), public.uid7(), 1, user_id, 'queued', 'created', now(), {TURN}, handler, task_type, 5, true FROM def RETURNING task_row, execution_id),
made AS (SELECT d.*, e.execution_id FROM def d JOIN exec e ON e.task_row = d.id),
{created('que')}
SELECT id FROM made;""")

BEAT = "\\set i random(1, 10000)\n\\set i :i + :rows\n"
for k, t in (("w", "wide.user_tasks"), ("h", "hot.task_states"), ("q", "que.task_executions")):
    put(f"beat_{k}", BEAT + f"""UPDATE {t} SET lease_expires_at = now() + interval '60 seconds'
WHERE tenant_id = 'default' AND id = :i AND lease_token = md5(:i::text)::uuid AND lease_expires_at > now() RETURNING lease_expires_at;""")

D = "d.id, d.task_id, d.name, d.description, d.task_type, d.config, d.tags, d.labels, d.created_at"
put("list_w", U + f"SELECT {D}, d.status, d.priority, d.run_count, d.next_run_time FROM wide.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text ORDER BY id DESC LIMIT 50;")
put("list_h", U + f"""SELECT {D}, s.status, s.priority, s.run_count, s.next_run_time FROM
(SELECT * FROM hot.user_tasks WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text ORDER BY id DESC LIMIT 50) d
JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = d.id ORDER BY d.id DESC;""")
put("list_q", U + f"SELECT {D}, d.status, d.run_count, d.next_run_time FROM que.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text ORDER BY id DESC LIMIT 50;")
# only the running ones of a user's 1,000 tasks
put("listf_w", U + f"SELECT {D}, d.status FROM wide.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text AND status = 'running' ORDER BY id DESC LIMIT 50;")
put("listf_h", U + f"""SELECT {D}, s.status FROM hot.user_tasks d JOIN hot.task_states s ON s.tenant_id = d.tenant_id AND s.id = d.id
WHERE d.tenant_id = 'default' AND d.user_id = 'user-' || :u::text AND s.status = 'running' ORDER BY d.id DESC LIMIT 50;""")
put("listf_q", U + f"SELECT {D}, d.status FROM que.user_tasks d WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text AND status = 'running' ORDER BY id DESC LIMIT 50;")

# the pick alone, rolled back: what finding and locking the next row costs
for how in ("lanes", "ordered"):
    put(f"pick_{how}", f"BEGIN;\nWITH picked AS MATERIALIZED ({pick('hot.task_states', how)}) SELECT * FROM picked;\nROLLBACK;")
TYPES = "unnest(ARRAY['type-0','type-1','type-2','type-3'])"
W4 = "tenant_id = 'default' AND handler = :handler::text AND task_type = ty AND priority = p AND claimable AND turn >= -1"
# several types, A: candidates are read unlocked and merged by turn, then locked in that order
put("pick_types_merge", f"""BEGIN;
WITH cand AS MATERIALIZED (
  SELECT c.* FROM generate_series(1::smallint, 10::smallint) p CROSS JOIN LATERAL (
    SELECT x.* FROM {TYPES} ty CROSS JOIN LATERAL (SELECT id, priority, turn FROM hot.task_states
      WHERE {W4} ORDER BY turn, id LIMIT :n + 32) x ORDER BY x.turn, x.id LIMIT :n + 32) c LIMIT :n + 32),
picked AS MATERIALIZED (SELECT s.id FROM cand JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = cand.id
  WHERE s.claimable ORDER BY cand.priority, cand.turn, cand.id LIMIT :n FOR UPDATE OF s SKIP LOCKED)
SELECT * FROM picked;
ROLLBACK;""".replace("generate_series(1::smallint, 10::smallint) p", "(SELECT i::smallint AS p FROM generate_series(1, 10) i) g"))
# several types, B: types in the order given inside a priority, locked on the way
put("pick_types_lanes", f"""BEGIN;
WITH picked AS MATERIALIZED (SELECT s.* FROM generate_series(1, 10) g CROSS JOIN {TYPES} ty CROSS JOIN LATERAL (SELECT id, priority, turn FROM hot.task_states
  WHERE {W4.replace('priority = p', 'priority = g::smallint')} ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s LIMIT :n)
SELECT * FROM picked;
ROLLBACK;""")

# A as the engine would send it: lanes (type, priority, mark) as arrays, any number of types and tasks
put("claim_types_h", """WITH cand AS MATERIALIZED (
  SELECT c.* FROM generate_series(1, 10) AS g(p) CROSS JOIN LATERAL (
    SELECT x.* FROM unnest(:types::text[], :prios::smallint[], :marks::bigint[]) AS l(task_type, priority, mark)
    CROSS JOIN LATERAL (SELECT s.id, s.priority, s.turn FROM hot.task_states s
      WHERE s.tenant_id = 'default' AND s.handler = :handler::text AND s.task_type = l.task_type AND s.priority = l.priority
        AND s.claimable AND s.turn >= l.mark ORDER BY s.turn, s.id LIMIT :n::bigint + :spare::bigint) x
    WHERE l.priority = g.p ORDER BY x.turn, x.id LIMIT :n::bigint + :spare::bigint) c
  LIMIT :n::bigint + :spare::bigint),
picked AS MATERIALIZED (SELECT s.id FROM cand JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = cand.id
  WHERE s.claimable ORDER BY cand.priority, cand.turn, cand.id LIMIT :n::bigint FOR UPDATE OF s SKIP LOCKED),
""" + claim("h").split("\n), ", 1)[1].replace("claimed AS (", "claimed AS (", 1).replace("\n\\gset c_", ";"))

# C: inside a priority the types in the order of their oldest task, locked on the way; priorities are opened only while tasks are missing
put("claim_heads_h", """WITH picked AS MATERIALIZED (
  SELECT s.* FROM generate_series(1, 10) AS g(p)
  CROSS JOIN LATERAL (
    SELECT l.task_type, h.turn FROM unnest(:types::text[], :prios::smallint[], :marks::bigint[]) AS l(task_type, priority, mark)
    CROSS JOIN LATERAL (SELECT t.turn, t.id FROM hot.task_states t
      WHERE t.tenant_id = 'default' AND t.handler = :handler::text AND t.task_type = l.task_type AND t.priority = l.priority
        AND t.claimable AND t.turn >= l.mark ORDER BY t.turn, t.id LIMIT 1) h
    WHERE l.priority = g.p ORDER BY h.turn, h.id) lane
  CROSS JOIN LATERAL (SELECT t.id, t.priority, t.turn FROM hot.task_states t
      WHERE t.tenant_id = 'default' AND t.handler = :handler::text AND t.task_type = lane.task_type AND t.priority = g.p::smallint
        AND t.claimable AND t.turn >= lane.turn ORDER BY t.turn, t.id LIMIT :n::bigint FOR UPDATE SKIP LOCKED) s
  LIMIT :n::bigint),
""" + claim("h").split("\n), ", 1)[1].replace("\n\\gset c_", ";"))

put("quota_count", "\\set u random(0, :users)\n" + """BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('default/user-' || :u::text, 0));
SELECT count(*) FROM (SELECT 1 FROM hot.task_states WHERE tenant_id = 'default' AND user_id = 'probe-' || :u::text AND is_active LIMIT 101) x;
INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, to_status) VALUES ('default', 1, 1, 'quota', 'created');
COMMIT;""")
put("quota_counter", "\\set u random(0, :users)\n" + """BEGIN;
UPDATE quota.counters SET active = active + 1 WHERE tenant_id = 'default' AND user_id = 'user-' || :u::text RETURNING active;
INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, to_status) VALUES ('default', 1, 1, 'quota', 'created');
COMMIT;""")
