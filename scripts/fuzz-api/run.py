#!/usr/bin/env python3
"""Fuzzes the canonical API by its own OpenAPI document, with schemathesis.

    scripts/services.py -- scripts/fuzz-api/run.py PATH/TO/task-service

A private `task-service --dev` on SQLite, and another one on the PostgreSQL of TEST_DATABASE_URL, are sent
good and bad requests as a user and as a key. Fails on a status, a content type or a body that the
document does not have, on input accepted against its schema, and on any 5xx but the documented
`Execution failed`. FUZZ_SECONDS (default 60) bounds each of the four runs.

schemathesis is installed once, in a virtual environment under .dev/. Left out are the streams
(STREAMS): they have no end to wait for, and tests of their own.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
VERSION = "4.32.5"
PATIENCE_SECONDS = 60
STREAMS = ["/api/v1/events", "/api/v1/tasks/{task_id}/track", "/api/v1/workers/{worker_id}/control"]
CALLERS = {"user": "X-User-ID: ann", "key": "X-API-Key: dev_api_key"}
CHECKS = [
    "only_the_documented_500", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "bad_input_is_refused", "unsupported_method", "use_after_free",
]


def schemathesis():
    """The program; installed when it is not there."""
    folder = HERE.parent.parent / ".dev" / f"schemathesis-{VERSION}"
    program = folder / "bin" / "schemathesis"
    if not program.exists():
        print(f"fuzz-api: installing schemathesis {VERSION} under {folder}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "--quiet", f"schemathesis=={VERSION}"], check=True)
    return program


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(service, folder, database_url):
    """A private instance that answers: its process and its URL."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "POSTGRES"))}
    environment.update({name: "none" for name in (
        "TASK_REPOSITORY_PORT", "TASK_MANAGEMENT_PORT", "SEEDCORE_PORT", "TASK_TRACKER_PORT")})
    environment.update(SERVICE_PORT=str(port), DATABASE_URL=database_url, LOG_LEVEL="error", LOG_FORMAT="text")
    log = open(folder / "service.log", "w")
    process = subprocess.Popen([service, "--dev"], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=2).close()
            return process, url
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    process.kill()
    sys.exit(f"fuzz-api: the service did not start:\n{(folder / 'service.log').read_text()}")


def fuzz(program, url, header, seconds, folder):
    """Whether a run found nothing."""
    command = [
        program, "run", f"{url}/openapi.json", "--header", header,
        "--max-time", str(seconds), "--workers", "1", "--request-timeout", "40", "--checks", ",".join(CHECKS),
        "--generation-with-security-parameters", "false", "--generation-database", "none",
        "--suppress-health-check", "all", "--warnings", "off", "--continue-on-failure", "--no-color",
    ]
    for path in STREAMS:
        command += ["--exclude-path", path]
    environment = dict(os.environ, SCHEMATHESIS_HOOKS="checks", PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run([str(part) for part in command], cwd=folder, env=environment).returncode == 0


def main():
    service = os.path.abspath(sys.argv[1])
    program, seconds = schemathesis(), int(os.environ.get("FUZZ_SECONDS", "60"))
    failed = []
    for engine in ("sqlite", "postgres"):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            database_url = f"sqlite://{folder}/tasks.db" if engine == "sqlite" else os.environ["TEST_DATABASE_URL"]
            process, url = start(service, folder, database_url)
            try:
                for caller, header in CALLERS.items():
                    print(f"\nfuzz-api: {engine}, as a {caller}", flush=True)
                    if not fuzz(program, url, header, seconds, folder):
                        failed.append(f"{engine} as a {caller}")
                log = (folder / "service.log").read_text()
                if process.poll() is not None or "panicked" in log:
                    failed.append(f"{engine}: the service died or panicked")
                    print(log)
            finally:
                process.terminate()
                process.wait()
    if failed:
        sys.exit(f"fuzz-api: failures on {', '.join(failed)}; each is shown above with the request that repeats it")
    print("\nfuzz-api: nothing found")


if __name__ == "__main__":
    main()
