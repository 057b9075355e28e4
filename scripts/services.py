#!/usr/bin/env python3
"""Runs a command beside a private PostgreSQL and a private nats-server, and cleans up after it.

    scripts/services.py [--keep DIR] -- COMMAND [ARGUMENT ...]

Both listen on free loopback ports and live in a temporary folder (or in DIR, which is kept). The
command finds them in TEST_DATABASE_URL (also in PGHOST, PGPORT, PGUSER, PGDATABASE) and
TEST_NATS_URL; either one that is set already is used instead. TEST_NATS_SERVER and
TEST_POSTGRES_BIN name the programs, for tests that start servers of their own.
POSTGRES_SETTINGS="name=value ..." overrides settings of the private PostgreSQL, which by default
does not sync to disk unless its folder is kept.
"""

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

STARTED = []


def fail(message):
    sys.exit(f"services: {message}")


def program(name, *folders):
    found = shutil.which(name)
    for pattern in folders:
        for candidate in sorted(glob.glob(os.path.join(pattern, name)), reverse=True):
            found = found or candidate
    if not found:
        fail(f"`{name}` was not found on this machine; run `make deps` to install it, "
             "or set TEST_DATABASE_URL and TEST_NATS_URL to servers that are running")
    return found


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def unprivileged():
    """PostgreSQL refuses to run as root: the user to run it as, or None to stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    fail("PostgreSQL does not run as root, and neither user `postgres` nor `nobody` exists; start this as another user")


def run_as(user, command, **options):
    if user:
        options.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
    return command, options


def start(name, command, options, answers):
    """Starts a server and waits until it answers."""
    log = open(os.path.join(FOLDER, f"{name}.log"), "ab")
    # Its own process group: ctrl-C at the terminal must reach the command first, not the servers.
    process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    STARTED.append((name, process))
    for _ in range(600):
        if process.poll() is not None:
            fail(f"{name} ended at once; its log:\n" + open(log.name, errors="replace").read()[-2000:])
        if answers():
            return
        time.sleep(0.05)
    fail(f"{name} did not answer within 30 s; see {log.name}")


def listening(port):
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
        return True
    except OSError:
        return False


def start_postgres():
    initdb, server, ready = (postgres_program(name) for name in ("initdb", "postgres", "pg_isready"))
    user = unprivileged()
    data, run = os.path.join(FOLDER, "postgres"), os.path.join(FOLDER, "run")
    for folder in (data, run):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
    if not os.path.exists(os.path.join(data, "PG_VERSION")):
        command, options = run_as(user, [initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
        made = subprocess.run(command, capture_output=True, text=True, cwd="/", **options)
        if made.returncode:
            fail(f"initdb failed:\n{made.stdout}{made.stderr}")
    port = free_port()
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": run, "max_connections": 400,
                "shared_buffers": "256MB", "max_wal_size": "2GB"}
    if not KEEP:
        # A cluster that nobody keeps need not survive a power cut.
        settings.update(fsync="off", synchronous_commit="off", full_page_writes="off")
    settings.update(pair.split("=", 1) for pair in os.environ.get("POSTGRES_SETTINGS", "").split())
    command = [server, "-D", data] + [f"--{key}={value}" for key, value in settings.items()]
    command, options = run_as(user, command, cwd="/")
    # A port that accepts is not a server that answers: it may still be recovering.
    def answers():
        return subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0
    start("postgres", command, options, answers)
    return port


def postgres_program(name):
    return program(name, "/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/bin")


def start_nats():
    server = nats_program()
    port = free_port()
    command = [server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", os.path.join(FOLDER, "nats")]
    start("nats-server", command, {}, lambda: listening(port))
    return f"nats://127.0.0.1:{port}"


def nats_program():
    return program("nats-server", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin")


def stop_all():
    # PostgreSQL's "fast" shutdown is SIGINT; nats-server takes it as well.
    for _, process in reversed(STARTED):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for name, process in reversed(STARTED):
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            print(f"services: {name} did not stop; killing it", file=sys.stderr)
            process.kill()
            process.wait()
    if not KEEP:
        shutil.rmtree(FOLDER, ignore_errors=True)


def interrupted(number, _frame):
    raise SystemExit(128 + number)


def main(command):
    environment = dict(os.environ)
    environment.setdefault("TEST_NATS_SERVER", nats_program())
    environment.setdefault("TEST_POSTGRES_BIN", os.path.dirname(postgres_program("postgres")))
    if not environment.get("TEST_DATABASE_URL"):
        port = start_postgres()
        environment["TEST_DATABASE_URL"] = f"postgres://postgres@127.0.0.1:{port}/postgres"
        environment.update(PGHOST="127.0.0.1", PGPORT=str(port), PGUSER="postgres", PGDATABASE="postgres")
    if not environment.get("TEST_NATS_URL"):
        environment["TEST_NATS_URL"] = start_nats()
    child = subprocess.Popen(command, env=environment)
    try:
        return child.wait()
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    KEEP = None
    if arguments[:1] == ["--keep"] and len(arguments) > 1:
        KEEP, arguments = os.path.abspath(arguments[1]), arguments[2:]
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.exit(__doc__)
    if KEEP:
        os.makedirs(KEEP, exist_ok=True)
    FOLDER = KEEP or tempfile.mkdtemp(prefix="task-service-")
    os.chmod(FOLDER, 0o755)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        code = main(arguments[1:])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop_all()
    sys.exit(code if code >= 0 else 128 - code)
