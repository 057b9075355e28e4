#!/usr/bin/env python3
"""Two instances side by side on the PostgreSQL and NATS that scripts/services.py provides.

Started by `make dev-distributed`; ctrl-C stops everything.
"""

import os
import signal
import subprocess
import sys
import threading

# The second instance's ports are the first one's, shifted by one.
PORTS = {"SERVICE_PORT": 8211, "TASK_REPOSITORY_PORT": 8503, "TASK_MANAGEMENT_PORT": 12000, "SEEDCORE_PORT": 8000, "TASK_TRACKER_PORT": 3002}


def start(program, number):
    environment = dict(os.environ, DATABASE_URL=os.environ["TEST_DATABASE_URL"], NATS_URL=os.environ["TEST_NATS_URL"])
    for name, port in PORTS.items():
        environment[name] = str(port + number)
    process = subprocess.Popen([program, "--dev"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")

    def copy():
        for line in process.stdout:
            print(f"[{number + 1}] {line}", end="", flush=True)

    threading.Thread(target=copy, daemon=True).start()
    return process


def main():
    program = sys.argv[1]
    print(f"DATABASE_URL={os.environ['TEST_DATABASE_URL']}\nNATS_URL={os.environ['TEST_NATS_URL']}", flush=True)
    instances = [start(program, number) for number in range(2)]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: [p.terminate() for p in instances if p.poll() is None])
    for number, process in enumerate(instances):
        print(f"[{number + 1}] pid {process.pid}, http://127.0.0.1:{PORTS['SERVICE_PORT'] + number}/docs/", flush=True)
    return max(abs(process.wait()) for process in instances)


if __name__ == "__main__":
    sys.exit(main())
