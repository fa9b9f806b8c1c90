# The two main commands: `make run` and `make test`.
.DEFAULT_GOAL := help
VENV   := .venv
PYTHON := $(VENV)/bin/python
# One more than two cores: browser and crash tests wait half of their time.
WORKERS ?= 3
# The longest first, so that no worker is left alone with them at the end.
TESTS ?= tests/crash tests/browser tests/contract tests/integration tests/unit
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help run check test prove crash stand-ins lint texts bench lock clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.installed  ## Install what is needed and start Fivefold
	@exec $(PYTHON) -m core run

check: lint  ## Check style, types and imports, and run the unit tests (a minute)
	$(PYTHON) -m pytest $(PARALLEL) tests/unit

test: lint  ## Run all checks and tests, in a real browser too (a quarter of an hour; WORKERS=3 at once)
	$(PYTHON) -m pytest $(PARALLEL) $(TESTS)

prove: lint  ## The same with many more examples, kills and faults (hours; TESTS=what, WORKERS=3)
	$(PYTHON) -m pytest $(PARALLEL) --hypothesis-profile=deep --timeout 7200 $(TESTS)

crash: ROUNDS ?= 100
crash: BROKER ?=
crash: SEED ?= 1
crash: $(VENV)/.installed-dev  ## Kill it ROUNDS times (BROKER=redis|rabbitmq, SEED=1, ODD=seed of odd replies) and verify
	$(PYTHON) -m tests.crash.harness --rounds $(ROUNDS) --broker "$(BROKER)" --seed $(SEED) $(if $(ODD),--odd $(ODD))

stand-ins: SECONDS ?= 6
stand-ins: $(VENV)/.installed-dev  ## Start servers with the vendors' APIs, to try Fivefold without keys
	@exec $(PYTHON) -m tests.servers --seconds $(SECONDS) $(if $(ODD),--odd $(ODD))

lint: $(VENV)/.installed-dev  ## Check style, types and imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	./scripts/check-frontend

texts: $(VENV)/.installed-dev  ## Extract all texts for translation, and update each language
	./scripts/texts

bench: $(VENV)/.installed-dev  ## Measure, and write the table into docs/benchmarks.md (about an hour)
	$(PYTHON) -m benchmarks

lock:  ## Write constraints.txt from a fresh virtual environment
	./scripts/lock

# Phony: `scripts/install` detects whether there is something to do.
.PHONY: $(VENV)/.installed $(VENV)/.installed-dev
$(VENV)/.installed:
	@./scripts/install $(VENV) requirements.txt

$(VENV)/.installed-dev:
	@./scripts/install $(VENV) requirements-dev.txt

clean:  ## Remove what was installed (data and generated files stay)
	rm -rf $(VENV) node_modules
