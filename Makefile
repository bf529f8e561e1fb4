# The two commands: `make demo` and `make test`. Both work from a clean clone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup test torture lint format types generate demo clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'jobrun needs Python 3.11 or newer; name one with: make PYTHON=python3.12 …' >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

setup: $(STAMP) ## Make the virtual environment

test: $(STAMP) ## Run the tests
	$(BIN)/python -m pytest $(ARGS)

torture: $(STAMP) ## Run the long torture tests
	JOBRUN_TORTURE=long $(BIN)/python -m pytest -m torture $(ARGS)

lint: $(STAMP) ## Lint, check the format and the types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(STAMP) ## Write man pages, completions and schema anew
	$(BIN)/python tools/generate.py

demo: $(STAMP) ## Run the example jobs, visibly, and clean up
	@$(BIN)/python tools/demo.py

clean: ## Remove what `make` made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
