-- What every pooled session runs under. All statements here are found by an index, but they are
-- prepared once, perhaps while the tables are still empty: the three planner switches keep a plan
-- that scans or hashes a whole table from surviving until the tables are full.
SELECT set_config('statement_timeout', $1, false),
       set_config('lock_timeout', $2, false),
       set_config('idle_in_transaction_session_timeout', $3, false),
       set_config('plan_cache_mode', $4, false),
       set_config('jit', 'off', false),
       set_config('enable_seqscan', 'off', false),
       set_config('enable_hashjoin', 'off', false),
       set_config('enable_mergejoin', 'off', false)
