#!/usr/bin/env bash
# Measures the candidate layouts. Connection by the usual PGHOST, PGPORT, PGUSER, PGDATABASE. The database is one of its own:
# `load` drops and makes the schemas bare, wide, hot, que and quota in it.
#   ./run.sh load      about 2 minutes, 5 GB
#   ./run.sh [phase…]  claim cycle create beat list latency pick quota pinned batch types plan indexes (default: all, loading again before `types`, because phases use up queued tasks)
# ROWS (1000000), ROUNDS (3), SECONDS_EACH (8), OUT (results.csv), BENCH_LOCK (a file to flock for every timed run on a shared machine)
set -euo pipefail
cd "$(dirname "$0")"
ROWS=${ROWS:-1000000} ROUNDS=${ROUNDS:-3} SEC=${SECONDS_EACH:-8} OUT=${OUT:-results.csv} LOCK=${BENCH_LOCK:-}
# A claim replanned at every call costs more than the claim itself: with a parameter in LIMIT the automatic choice keeps to custom plans.
export PGOPTIONS=${PGOPTIONS:--c plan_cache_mode=force_generic_plan}
OPEN='{-1,-1,-1,-1,-1,-1,-1,-1,-1,-1}'          # no lower bound in any of the ten lanes
locked() { if [ -n "$LOCK" ]; then flock "$LOCK" "$@"; else "$@"; fi; }
bench() { # script clients seconds [-D …]
  local f=$1 c=$2 s=$3; shift 3
  locked pgbench -n -M prepared -c "$c" -j "$((c < 2 ? c : 2))" -T "$s" -D handler=builtin -D types=4 -D n=1 -D users=999 -D rows="$ROWS" \
    -D slack=1000000 -D wm="$OPEN" "$@" -f "sql/$f.sql" 2>&1
}
wal() { psql -Atqc "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"; }
note() { # label script clients seconds …
  local label=$1; shift; local w0 w1 o tps lat txs; w0=$(wal); o=$(bench "$@"); w1=$(wal)
  tps=$(awk '/^tps/{print $3}' <<<"$o"); lat=$(awk '/latency average/{print $4}' <<<"$o"); txs=$(awk '/actually processed/{print $6}' <<<"$o")
  grep -iE 'error|abort' <<<"$o" >&2 || true
  echo "$label,$tps,$lat,$(( (w1 - w0) / ${txs:-1} ))" | tee -a "$OUT"       # label, per second, ms, WAL bytes each
}
rounds() { local n=$1; shift; for _ in $(seq "$n"); do for x in "$@"; do eval "note $x"; done; done; }
pin() { # label script … : claims for 60 s while a REPEATABLE READ snapshot is open; first and last 10 s
  local label=$1 f=$2; shift 2; local o
  psql -qAtc 'VACUUM' >/dev/null
  o=$(locked bash -c 'psql -qAtc "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM bare.q LIMIT 1; SELECT pg_sleep(62)" >/dev/null & sleep 0.5
    pgbench -n -M prepared -c 16 -j 2 -T 60 -P 10 "$@"; wait' _ -D handler=builtin -D types=4 -D n=1 -D rows="$ROWS" -D slack=1000000 -D wm="$OPEN" "$@" -f "sql/$f.sql" 2>&1)
  grep -iE 'error|abort' <<<"$o" >&2 || true
  echo "pinned:$label,$(awk '/^progress/{printf "%s ", $4}' <<<"$o")" | tee -a "$OUT"
}
phase() { case $1 in
  load) psql -qf schema.sql && psql -qAt -v rows="$ROWS" -f load.sql ;;
  claim) rounds "$ROUNDS" "'claim:bare' claim_bare 16 $SEC" "'claim:W' claim_w 16 $SEC" "'claim:H' claim_h 16 $SEC" "'claim:Q' claim_q 16 $SEC" ;;
  cycle) rounds "$ROUNDS" "'cycle:bare' cycle_bare 16 $SEC" "'cycle:W' cycle_w 16 $SEC" "'cycle:H' cycle_h 16 $SEC" "'cycle:Q' cycle_q 16 $SEC" ;;
  create) rounds "$ROUNDS" "'create:bare' create_bare 16 5" "'create:W' create_w 16 5" "'create:H' create_h 16 5" "'create:Q' create_q 16 5" ;;
  beat) rounds "$ROUNDS" "'beat:W' beat_w 16 4" "'beat:H' beat_h 16 4" "'beat:Q' beat_q 16 4" ;;
  list) rounds "$ROUNDS" "'list:W' list_w 16 4" "'list:H' list_h 16 4" "'list:Q' list_q 16 4"
        rounds 1 "'list_status:W' listf_w 16 4" "'list_status:H' listf_h 16 4" "'list_status:Q' listf_q 16 4" ;;
  latency) rounds 2 "'cycle1:bare' cycle_bare 1 4" "'cycle1:W' cycle_w 1 4" "'cycle1:H' cycle_h 1 4" "'cycle1:Q' cycle_q 1 4"
        rounds 1 "'claim1:bare' claim_bare 1 4" "'claim1:W' claim_w 1 4" "'claim1:H' claim_h 1 4" "'claim1:Q' claim_q 1 4" ;;
  pick) for h in one ten; do rounds 2 "'pick:lanes:$h' pick_lanes 1 3 -D handler=$h -D t=0" "'pick:ordered:$h' pick_ordered 1 3 -D handler=$h -D t=0"; done
        for n in 1 50; do rounds 2 "'pick4types:lanes:n=$n' pick_types_lanes 1 3 -D n=$n" "'pick4types:merge:n=$n' pick_types_merge 1 3 -D n=$n"; done ;;
  quota) rounds 2 "'quota:count:1000users' quota_count 16 4" "'quota:counter:1000users' quota_counter 16 4" \
                  "'quota:count:1user' quota_count 16 4 -D users=0" "'quota:counter:1user' quota_counter 16 4 -D users=0" ;;
  pinned) pin H claim_h; pin 'H watermark' claimwm_h; pin bare claim_bare; pin W claim_w; pin Q claim_q ;;
  types) local T P M   # forty lanes: four types, ten priorities
        T="{$(for p in {1..10}; do printf 'type-0,type-1,type-2,type-3,'; done | sed 's/,$//')}"
        P="{$(for p in {1..10}; do printf '%s,%s,%s,%s,' $p $p $p $p; done | sed 's/,$//')}"
        M="{$(printf -- '-1,%.0s' {1..40} | sed 's/,$//')}"
        local L="-D 'types=$T' -D 'prios=$P' -D 'marks=$M'" c
        for c in 2 16; do rounds 2 "'claim1type:n=1:c=$c' claim_h $c 3" "'claim4types:heads:n=1:c=$c' claim_heads_h $c 3 $L" "'claim4types:merge:n=1:c=$c' claim_types_h $c 3 -D spare=8 $L"; done
        rounds 2 "'claim1type:n=50' batch_h 4 3 -D n=50" "'claim4types:heads:n=50' claim_heads_h 4 3 -D n=50 $L" "'claim4types:merge:n=50' claim_types_h 4 3 -D n=50 -D spare=128 $L" ;;
  plan) rounds 2 "'plan:generic' claim_h 16 5"; PGOPTIONS='-c plan_cache_mode=auto' rounds 2 "'plan:auto' claim_h 16 5" ;;
  indexes) # what an index on the hot row costs a claim
        for r in 1 2 3; do
          note 'indexes:all' claim_h 16 5
          psql -qc "DROP INDEX hot.task_states_tenant_id_user_id_idx"; note 'indexes:no quota index' claim_h 16 5
          psql -qc "DROP INDEX hot.task_states_tenant_id_id_idx"; note 'indexes:no quota, no running index' claim_h 16 5
          psql -qc "CREATE INDEX ON hot.task_states (tenant_id, user_id) WHERE is_active" -c "CREATE INDEX ON hot.task_states (tenant_id, id) WHERE lease_token IS NOT NULL"
        done ;;
  batch) rounds 2 "'batch50:bare' batch_bare 4 3" "'batch50:W' batch_w 4 4 -D n=50" "'batch50:H' batch_h 4 4 -D n=50" "'batch50:Q' batch_q 4 4 -D n=50" ;;
  esac; }
if [ $# = 0 ]; then set -- claim cycle pinned create beat list latency quota pick batch load types plan indexes; fi
for p in "$@"; do phase "$p"; done
