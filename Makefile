# Two commands do everything: `make run` and `make test`.
.DEFAULT_GOAL := help
VENV   := .venv
PYTHON := $(VENV)/bin/python

.PHONY: help run test crash odd stand-ins lint texts bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.installed  ## Install what is needed and start Fivefold
	@exec $(PYTHON) -m core run

test: WORKERS ?= 2
test: lint  ## Prove that it works: checks, unit, integration and browser tests (WORKERS=2 at once)
	$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile tests/unit tests/contract tests/integration
	$(PYTHON) -m pytest tests/crash tests/browser  # whole installations: one at a time

crash: ROUNDS ?= 100
crash: BROKER ?=
crash: SEED ?= 1
crash: $(VENV)/.installed-dev  ## Kill it ROUNDS times (BROKER=redis|rabbitmq, SEED=1, ODD=seed of odd replies) and verify
	$(PYTHON) -m tests.crash.harness --rounds $(ROUNDS) --broker "$(BROKER)" --seed $(SEED) $(if $(ODD),--odd $(ODD))

odd: CASES ?= 2000
odd: $(VENV)/.installed-dev  ## Mutate CASES=2000 good replies of each provider over HTTP, and count media and charges
	ODD_CASES=$(CASES) $(PYTHON) -m pytest tests/contract/test_odd_replies.py

stand-ins: SECONDS ?= 6
stand-ins: $(VENV)/.installed-dev  ## Start servers that speak the vendors' language, to try without keys
	@exec $(PYTHON) -m tests.servers --seconds $(SECONDS) $(if $(ODD),--odd $(ODD))

lint: $(VENV)/.installed-dev  ## Check style, types and who imports whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

texts: $(VENV)/.installed-dev  ## Gather all texts for translation, and bring each language up to date
	./scripts/texts

bench: $(VENV)/.installed-dev  ## Measure, and write the table into docs/benchmarks.md (about an hour)
	$(PYTHON) -m benchmarks

lock:  ## Make constraints.txt anew from a fresh virtual environment
	./scripts/lock

# These are no files: `scripts/install` sees by itself whether there is something to do.
.PHONY: $(VENV)/.installed $(VENV)/.installed-dev
$(VENV)/.installed:
	@./scripts/install $(VENV) requirements.txt

$(VENV)/.installed-dev:
	@./scripts/install $(VENV) requirements-dev.txt

clean:  ## Remove the virtual environment (data and generated files stay)
	rm -rf $(VENV)
