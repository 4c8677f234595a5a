# What people and CI type. Every target sets up what it needs; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
PORT ?= 8000
MINUTES ?= 10
PYTEST := .venv/bin/python -m pytest

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

.PHONY: venv
venv: ## build .venv with everything needed to run and to test
	@tools/venv dev

.PHONY: run
run: ## set up and serve with demo data on http://127.0.0.1:8000 (another port: PORT=N)
	@tools/venv runtime
	@exec .venv/bin/cln serve --demo --port $(PORT)

.PHONY: test
test: venv lint domain ## set up, then lint, types, layers, docs and every test
	@tools/chromium
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-ci} $(PYTEST) --ignore=tests/domain -n 2 --dist worksteal --durations=10

.PHONY: domain
domain: venv ## test the pure core without Django; every branch must run
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(PYTEST) -c tests/domain.ini --rootdir=. -q \
		-n 2 --cov=cln.domain --cov-branch --cov-report=term-missing:skip-covered \
		--cov-fail-under=100 tests/domain

.PHONY: lint
lint: venv ## check style, format, types and import layers
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check --quiet .
	@.venv/bin/python -m mypy
	@.venv/bin/lint-imports --no-logo

.PHONY: fix
fix: venv ## repair style and format where a machine can
	@.venv/bin/python -m ruff check --fix --quiet . || true
	@.venv/bin/python -m ruff format --quiet .

.PHONY: bench
bench: venv ## measure this machine and CLN on it
	@.venv/bin/cln bench

.PHONY: outage
outage: venv ## kill the database for a minute under check-ins: nothing is lost, nobody is alarmed
	@.venv/bin/cln bench wire --outage --seconds 60

.PHONY: golden
golden: venv ## write the golden invoices anew; the diff is the review
	@$(PYTEST) -q tests/stories --golden

.PHONY: deep
deep: venv ## run the laws of the pure core and lives through all verbs with 5,000 examples each
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -c tests/domain.ini --rootdir=. -q tests/domain
	@HYPOTHESIS_PROFILE=deep $(PYTEST) -n 2 -q tests/stories/test_any_life.py \
		tests/contract/test_v1_bad_input.py tests/contract/test_v2_schemathesis.py

.PHONY: soak
soak: venv ## everything at once with failing gateways and dying workers (MINUTES=10), then the books
	@CLN_SOAK_SECONDS=$$(( $(MINUTES) * 60 )) $(PYTEST) -q -s tests/stories/test_soak.py

.PHONY: clean
clean: ## remove what tests and tools left; var/ with your data stays
	@rm -rf build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
