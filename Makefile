# `make` alone lists the targets. Every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Real input: an absolute path, or the folder beside the clone if there is one.
SHARED_DATA ?= $(wildcard $(abspath $(CURDIR)/../shared/data))
export SHARED_DATA
DATA ?= generated

.PHONY: help setup demo test test-long check prove-main prove-history prove-validation prove-rollback prove-cutover bench lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.run: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev ## make the virtual environment with everything the tests need

demo: $(VENV)/.run ## move a generated (or DATA=maven-crm) Salesforce org into an occupied HubSpot, and back
	$(BIN)/python -m migrate.demo --data $(DATA)

# Three workers (a test waits for a server half its time), each with servers of its own; the longest files
# first, each whole on one worker.
WORKERS ?= 3
ALL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder tests/faults tests/servers tests/sandbox tests/browser tests/unit
test: $(VENV)/.dev ## run all tests but those marked slow or long (under 12 minutes on two cores)
	$(BIN)/python -m pytest -m "not slow and not long" $(ALL)

test-long: $(VENV)/.dev ## run the tests marked long: more kills, faults and whole ways (about 20 minutes)
	$(BIN)/python -m pytest -m "long and not slow" $(ALL)

bench: $(VENV)/.dev ## measure ourselves beside other tools, each in an environment of its own
	@code=0; for each in start extract diff "diff --large"; do $(BIN)/python -m bench.$$each || code=1; done; exit $$code

check: $(VENV)/.dev ## lint, types, and the direction of dependencies
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

prove-main: $(VENV)/.dev ## show every claim of the main job at full size, one line a claim (within 75 minutes)
	$(BIN)/python -u -m tests.proofs main

prove-history: $(VENV)/.dev ## show every claim of the history at full size (files, activities, both ways; within 60 minutes)
	$(BIN)/python -u -m tests.proofs history

export PUBLISH
prove-validation: $(VENV)/.dev ## show every claim of the validation at full size; PUBLISH=1 renews the published matrix (within 60 minutes)
	$(BIN)/python -u -m tests.proofs validation

prove-rollback: $(VENV)/.dev ## show every claim of the rollback at full size, with users, kills and real limits (within 60 minutes)
	$(BIN)/python -u -m tests.proofs rollback

prove-cutover: $(VENV)/.dev ## show every claim of the cutover: weekends played forth and back, with kills and a browser (within 75 minutes)
	$(BIN)/python -u -m tests.proofs cutover

lock: ## renew the locked requirements
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra sandbox --extra console --extra postgres --extra sign pyproject.toml -q -o requirements.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --extra sandbox --extra console --extra postgres --extra sign pyproject.toml --group dev -q -o requirements-dev.txt

clean: ## remove what the targets made
	rm -rf $(VENV) .demo .proof
