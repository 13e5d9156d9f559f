# `make demo` and `make test` need nothing but Python 3.11+, make and network access to packages.

PYTHON ?= $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$each; exit; }; done; echo python3)
PY := .venv/bin/python
PYTEST_ARGS ?=
# Demo and tests start the same programs over and over; they are not to be compiled anew each time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup up down demo demo-files test conformance faults faults-short check lint fmt bench bench-events histories lock clean rabbitmq

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: setup ## a fleet, a few missions, what happened to them; takes a minute (two the first time), then stops everything
	@$(PY) examples/demo.py

demo-files: setup ## mission files on simulated platforms, their threads live; takes a minute, then stops everything
	@$(PY) examples/demo_files.py

up: setup ## the whole stack with a demo fleet, until Ctrl-C
	@$(PY) -m cli.main up

down: .venv/.ready ## stop the stack of this folder
	@$(PY) -m cli.main down

test: setup ## all tests but the conformance
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/conformance $(PYTEST_ARGS)

conformance: setup ## helyOS's own scenarios, their messages counted on the broker; mission files case by case; a thousand missions on two workers; the worker killed in each phase; an upgrade of it; the image's steps; the demo
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder tests/conformance $(PYTEST_ARGS)

faults: setup ## kill, cut and flood every part with a hundred missions in flight; about two hours
	@$(PY) -m faults

faults-short: setup ## each part killed once with fewer missions, and some bad input; a few minutes
	@$(PY) -m faults --short --seed 5

check: lint ## lint and the tests that need no server, under 2 minutes
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not stack" $(PYTEST_ARGS)

lint: .venv/.ready ## ruff and mypy
	@$(PY) -m ruff check --quiet .
	@$(PY) -m ruff format --check --quiet . || { echo "Not formatted; run: make fmt"; exit 1; }
	@$(PY) -m mypy

fmt: .venv/.ready ## format the code
	@$(PY) -m ruff check --fix --quiet . || true
	@$(PY) -m ruff format .

histories: setup ## record the replay histories and the order of commands anew, after a change of the workflow
	@$(PY) -m scripts.command_order
	@$(PY) -m scripts.record_histories

bench: setup ## measure
	@$(PY) -m benchmarks

bench-events: setup ## measure the ways out of the event log, and what they take from the missions
	@$(PY) -m benchmarks.events

setup: .venv/.ready .venv-agents/.ready rabbitmq ## everything that the others need (they call it themselves)

.venv/.ready: requirements.lock scripts/setup_python.sh
	@scripts/setup_python.sh "$(PYTHON)" .venv requirements.lock
	@pwd > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/muster.pth"
	@printf '#!/bin/sh\nexec "$$(dirname "$$0")/python" -m cli.main "$$@"\n' > .venv/bin/muster
	@chmod +x .venv/bin/muster
	@touch $@

# The agent SDK's dependencies are older than ours, so the demo fleet has an environment of its own.
.venv-agents/.ready: examples/agents.lock scripts/setup_python.sh
	@scripts/setup_python.sh "$(PYTHON)" .venv-agents examples/agents.lock
	@touch $@

rabbitmq:
	@scripts/setup_rabbitmq.sh

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: ## pin the newest packages again (needs uv)
	@$(COMPILE) --upgrade --all-extras pyproject.toml -o requirements.lock
	@$(COMPILE) --constraint requirements.lock pyproject.toml -o requirements-runtime.lock
	@$(COMPILE) --upgrade examples/agents.in -o examples/agents.lock

clean: down ## remove the environments and all data of this folder
	@rm -rf .venv .venv-agents .muster .muster-faults* build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
