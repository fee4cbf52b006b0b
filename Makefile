# Callboard: `make run` shows the main job, `make test` runs every test; both install what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
# What is long and shows no statement that other tests do not.
SQL_APART := --ignore-glob='*test_embedded*' --ignore-glob='*test_killed*' --ignore-glob='*test_stateful*'
# Tests wait more than they work: three workers on two cores take half the time of one.
TEST_WORKERS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile
PG15 := /usr/lib/postgresql/15/bin
# uv from PATH, else one of our own in .venv-uv (10 s instead of 25 s with plain pip).
UV := $(shell command -v uv 2>/dev/null || echo .venv-uv/bin/uv)

# Trust what this machine trusts: uv's own list knows no company's proxy.
export UV_SYSTEM_CERTS := 1

.PHONY: run test test15 check format bench scale models chaos lock clean help

run: $(VENV)/.stamp  ## Install, then run the main job end to end with no keys and no network
	@$(BIN)/callboard demo

test: $(VENV)/.stamp-dev  ## Install, then run all tests
	@$(PYTEST)
	@$(MAKE) --no-print-directory test15

test15: $(VENV)/.stamp-dev  ## Run the tests of every statement on the system's PostgreSQL 15, where it is installed
	@if [ -x $(PG15)/initdb ]; then \
	  CALLBOARD_PG_BIN=$(PG15) $(PYTEST) -q tests/flows tests/store tests/scale $(SQL_APART); \
	else echo "PostgreSQL 15 is not installed here: its pass is left out"; fi

check: $(VENV)/.stamp-dev  ## Format, lint, types, import rules, generated files
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports
	@$(BIN)/mypy service schemas tests deploy/examples
	@$(BIN)/python -m schemas.export --check

format: $(VENV)/.stamp-dev  ## Format the code and write the generated files again
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/python -m schemas.export

bench: $(VENV)/.stamp-dev  ## Measure speed, as ratios to a ceiling of the same run
	@$(BIN)/python -m pytest -m bench -s tests/bench

scale: $(VENV)/.stamp-dev  ## Explain every hot statement on 1,100,000 tasks, also under an old snapshot (ten minutes)
	@$(BIN)/python -m pytest -m scale -s tests/scale

chaos: $(VENV)/.stamp-dev  ## Kill, freeze and cut everything for ten minutes (CALLBOARD_CHAOS_SECONDS), then check every promise
	@$(BIN)/python -m pytest -m chaos -s tests/chaos

models: $(VENV)/.stamp-dev  ## Walk the pure models to their full depth
	@$(BIN)/python -m pytest -m models tests/models

lock: $(UV)  ## Resolve deploy/requirements*.lock again (hashes, no index address)
	@$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
	  pyproject.toml -o deploy/requirements.lock
	@$(UV) pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 \
	  pyproject.toml --group dev -o deploy/requirements-dev.lock

clean:  ## Remove what make made (never .callboard: it holds data)
	@rm -rf $(VENV) .venv-uv .venv-sdk-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## Show this
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## (.*)/\1|\2/' | while IFS='|' read -r n t; do printf '  make %-8s %s\n' "$$n" "$$t"; done

.venv-uv/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Callboard needs Python 3.11 or newer (set PYTHON=)"; exit 1; }
	@$(PYTHON) -m venv .venv-uv || { echo "python3 has no venv: install your system's python3-venv package"; exit 1; }
	@.venv-uv/bin/python -m pip install -q --disable-pip-version-check uv

# The runtime alone is enough for `make run`; the dev stamp implies the other.
$(VENV)/.stamp: deploy/requirements.lock pyproject.toml schemas/__init__.py | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r deploy/requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps -e .
	@touch $@

$(VENV)/.stamp-dev: deploy/requirements-dev.lock $(VENV)/.stamp
	@$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r deploy/requirements-dev.lock
	@touch $@
