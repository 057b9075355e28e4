INSERT INTO bare.q (status, priority, run_at) VALUES ('queued', 5, now());
