# Everything that a person or a machine does with this checkout. `make` alone lists it.
#
# Each environment is made by its stamp file, once, and again when pyproject.toml changes. Nothing is installed
# outside the checkout. PYTHON names the interpreter that makes them: `make demo PYTHON=python3.13`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := -m pip install -qq --disable-pip-version-check
PACKAGE_SOURCES := $(shell find src -name '*.py' -o -name py.typed) pyproject.toml
MEASURED := --cov=ganger.core --cov=ganger.protocol --cov-branch \
	--cov-report=term-missing:skip-covered --cov-report=json:.coverage.json

##@ See it work

.PHONY: demo
demo: .venv-demo/.installed ## A master and its workers do a real job, in an environment of its own
	@.venv-demo/bin/python examples/codebase_census.py

.PHONY: bench
bench: .venv/.installed-bench ## Measure ganger beside its peers and write docs/reference/performance.md
	@$(BIN)/python -m bench $(BENCH_ARGS)

##@ Judge it

.PHONY: test
test: .venv/.installed ## Every test but the long ones, and the coverage floor of core/ and protocol/
	@rm -f .coverage.json
	@$(BIN)/python -m pytest -m "not long" $(MEASURED)
	@$(BIN)/python tests/coverage_floor.py .coverage.json

.PHONY: test-long
test-long: .venv/.installed ## The long tests: chaos, and properties with more and random examples
	@status=0; $(BIN)/python -m pytest -m long --collect-only -q >.pytest-long.log 2>&1 || status=$$?; \
	if [ $$status -eq 5 ]; then echo "make test-long: no test is marked long, so none was run"; exit 0; fi; \
	if [ $$status -ne 0 ]; then cat .pytest-long.log; exit $$status; fi; \
	$(BIN)/python -m pytest -m long --hypothesis-profile=explore --timeout=900 -o faulthandler_timeout=960

.PHONY: check
check: lint types imports test ## Everything that has to hold before a change lands; ends with the tests

.PHONY: lint
lint: .venv/.installed ## ruff: rules and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: .venv/.installed ## mypy, strict
	@$(BIN)/mypy

.PHONY: imports
imports: .venv/.installed ## The contracts of .importlinter: who may import whom
	@$(BIN)/lint-imports --no-logo

##@ Work on it

.PHONY: venv
venv: .venv/.installed ## The environment of a developer, in .venv

.PHONY: format
format: .venv/.installed ## Let ruff repair what it can and lay out the rest
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: clean
clean: ## Remove the environments, the caches and what was built
	@rm -rf .venv .venv-demo dist build htmlcov .coverage .coverage.* .pytest-long.log \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . \( -path ./.git -o -path ./bench-data \) -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*?## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ------------------------------------------------------------------------------------------ environments

define require_python
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "error: ganger needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1)" >&2; \
	echo "hint: name another interpreter, as in: make demo PYTHON=python3.11" >&2; exit 1; }
endef

.venv/.installed: pyproject.toml
	$(require_python)
	@echo "making .venv with ganger and the tools that judge it ..."
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

.venv/.installed-bench: .venv/.installed
	@echo "adding to .venv what the benchmarks plot with ..."
	@$(BIN)/python $(PIP_INSTALL) --editable '.[bench]'
	@touch $@

# The demo runs what users get: the wheel, built and installed into an environment that holds nothing else.
.venv-demo/.installed: $(PACKAGE_SOURCES)
	$(require_python)
	@echo "making .venv-demo with ganger alone ..."
	@[ -x .venv-demo/bin/python ] || $(PYTHON) -m venv .venv-demo
	@.venv-demo/bin/python $(PIP_INSTALL) .
	@touch $@
