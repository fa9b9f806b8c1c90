# Two commands do everything: `make run` and `make test`.
.DEFAULT_GOAL := help
VENV   := .venv
PYTHON := $(VENV)/bin/python

.PHONY: help run test lint lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.installed  ## Install what is needed and start Fivefold
	@exec $(PYTHON) -m core run

test: lint  ## Prove that it works: checks, unit, integration and browser tests
	$(PYTHON) -m pytest

lint: $(VENV)/.installed-dev  ## Check style, types and who imports whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

lock:  ## Make constraints.txt anew from a fresh virtual environment
	./scripts/lock

$(VENV)/.installed: requirements.txt constraints.txt
	@./scripts/install $(VENV) requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt requirements.txt constraints.txt
	@./scripts/install $(VENV) requirements-dev.txt
	@touch $@ $(VENV)/.installed

clean:  ## Remove the virtual environment (data and generated files stay)
	rm -rf $(VENV)
