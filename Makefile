# `make serve` serves the example model, `make test` checks and tests; both make their environment first.
SHELL := /bin/bash
VENV ?= $(CURDIR)/.venv
PORT ?= 5000
INSTALL ?= scripts/install
export VENV PORT

.PHONY: serve test test-frameworks test-tools check docs bench soak parity chaos audit fuzz install clean

serve:
	@$(INSTALL)
	@exec scripts/serve

test: install
	scripts/check
	scripts/test

test-frameworks: install
	scripts/test_frameworks

test-tools: install
	scripts/test_tools

check: install
	scripts/check

docs: install
	scripts/docs

bench: install
	scripts/bench

MINUTES ?= 10
soak: install
	scripts/soak --minutes $(MINUTES)

parity: install
	scripts/parity

chaos: install
	scripts/chaos

audit: install
	scripts/audit

fuzz: install
	scripts/fuzz

install:
	@$(INSTALL) --dev

clean:
	rm -rf .venv .venv-runtime .venv-frameworks bench/.venvs .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf custom_model_runner/build custom_model_runner/dist custom_model_runner/*.egg-info
	rm -f model_templates/*/*.pkl model_templates/*/model.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
