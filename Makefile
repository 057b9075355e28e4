# `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run dev-distributed deps test fuzz-api soak fmt lint doc openapi schema bench bench-large bench-layout

SERVICES := scripts/services.py

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | column -t -s "$$(printf '\t')"

run: toolchain ## Build and start the service in development mode (data under data/)
	cargo run --bin task-service -- --dev

dev-distributed: toolchain deps ## PostgreSQL, NATS and two instances on 8211 and 8212, data kept under .dev/
	cargo build --quiet --bin task-service
	$(SERVICES) --keep .dev -- scripts/dev-distributed.py "$$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug/task-service"

deps: ## Install what the tests need and this machine lacks (Debian)
	@scripts/deps.sh

test: toolchain deps ## Run every test on both engines
	@if cargo nextest --version >/dev/null 2>&1; then \
		$(SERVICES) -- cargo nextest run --workspace; \
	else \
		$(SERVICES) -- cargo test --workspace; \
	fi

soak: toolchain deps ## Run the fault scenarios in their long form (about ten minutes)
	@if cargo nextest --version >/dev/null 2>&1; then \
		FAULTLAB=long $(SERVICES) -- cargo nextest run --profile soak -p task-factory --test faultlab --test distributed; \
	else \
		FAULTLAB=long $(SERVICES) -- cargo test -p task-factory --test faultlab --test distributed; \
	fi

fuzz-api: toolchain deps ## Fuzz the API by its OpenAPI document, on both engines (about five minutes)
	cargo build --quiet --bin task-service
	env -u TEST_DATABASE_URL $(SERVICES) -- scripts/fuzz-api/run.py "$$(cargo metadata --format-version 1 --no-deps | python3 -c 'import json,sys; print(json.load(sys.stdin)["target_directory"])')/debug/task-service"

fmt: ## Format the code
	cargo fmt --all

lint: toolchain ## Check format and lints
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

doc: ## Build the code's documentation
	cargo doc --workspace --no-deps

openapi: toolchain ## Write docs/openapi.json, which a test compares with what is served
	cargo run --quiet --bin task-service -- openapi > docs/openapi.json

schema: toolchain deps ## Print the PostgreSQL schema as the migrations leave it
	cargo build --quiet --bin task-service
	@env -u TEST_DATABASE_URL $(SERVICES) -- sh -c 'DATABASE_URL="$$TEST_DATABASE_URL" LOG_LEVEL=warn cargo run --quiet --bin task-service -- migrate \
		&& PATH="$$PATH:$$TEST_POSTGRES_BIN" pg_dump --schema-only --no-owner --schema=task "$$TEST_DATABASE_URL"'

BENCH_SETTINGS := fsync=on synchronous_commit=on full_page_writes=on shared_buffers=1GB max_wal_size=8GB

bench: toolchain deps ## Measure the program and write docs/performance.md (ten minutes)
	cargo build --quiet --release --bin task-service --bin task-bench
	POSTGRES_SETTINGS="$(BENCH_SETTINGS)" $(SERVICES) -- target/release/task-bench --page docs/performance.md

bench-large: toolchain deps ## The same with much behind: a long queue, many finished rows
	cargo build --quiet --release --bin task-service --bin task-bench
	POSTGRES_SETTINGS="$(BENCH_SETTINGS)" $(SERVICES) -- target/release/task-bench --large --page docs/performance.md

bench-layout: deps ## Measure the table layouts of docs/decisions/0002 (about half an hour)
	POSTGRES_SETTINGS="fsync=on synchronous_commit=on full_page_writes=on shared_buffers=1GB max_wal_size=4GB" \
		$(SERVICES) -- sh -c 'bench/layout/run.sh load && bench/layout/run.sh'

.PHONY: toolchain
toolchain:
	@command -v cargo >/dev/null || { echo "cargo was not found: install Rust from your distribution or rustup" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "no C compiler was found (SQLite is built from source): apt-get install gcc libc6-dev" >&2; exit 1; }
