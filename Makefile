# The two commands: `make demo` and `make test`. Both work from a clean clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINUTES ?= 10
JOBS ?= 2

.PHONY: help setup demo test torture boot replay matrix lint format generate clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'jobrun needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(STAMP) ## Make the virtual environment

demo: $(STAMP) ## Run the example jobs, visibly, and clean up
	@$(BIN)/python tools/demo.py

test: $(STAMP) ## Run the tests (some of them: make test ARGS='tests/domain -k cron'; one by one: JOBS=0)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

torture: $(STAMP) ## Run the long torture tests
	JOBRUN_TORTURE=long $(BIN)/python -m pytest -m torture $(ARGS)

boot: $(STAMP) ## Boot a real systemd in a machine and try the units there (root; ARGS='--suite bookworm')
	$(BIN)/python tests/boot/run.py $(ARGS)

replay: $(STAMP) ## Run the crontab of sixty lines and compare with cron (MINUTES=10)
	$(BIN)/python tests/harness/replay.py --minutes $(MINUTES) $(ARGS)

matrix: ## Run the tests under every Python from 3.11 to 3.13 on this machine
	$(PYTHON) tools/matrix.py $(ARGS)

lint: $(STAMP) ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(STAMP) ## Write man pages, completions, schema and references anew
	$(BIN)/python tools/generate.py

clean: ## Remove what `make` made
	rm -rf $(VENV) .matrix build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
