.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000

help: ## what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/service: requirements.txt
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/pip install -q --require-hashes -r requirements.txt
	.venv/bin/pip install -q --no-deps --no-build-isolation -e . || .venv/bin/pip install -q --no-deps -e .
	@touch $@

.venv/develop: .venv/service requirements-dev.txt
	.venv/bin/pip install -q --require-hashes -r requirements-dev.txt
	@touch $@

.peer/ready: requirements-peer.txt
	@test -x .peer/bin/python || $(PYTHON) -m venv .peer
	.peer/bin/pip install -q --require-hashes -r requirements-peer.txt
	@touch $@

peer: .peer/ready ## TiTiler in an environment of its own, for parity tests and the benchmark

serve: .venv/service ## a map in the browser: makes the demo layers, starts the server
	.venv/bin/gunicorn -k uvicorn_worker.UvicornWorker -b $(HOST):$(PORT) app.main:app

test: .venv/develop .peer/ready ## every test
	.venv/bin/pytest

lint: .venv/develop ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

LOCK = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --custom-compile-command "make lock"
lock: ## the locks, from requirements*.in
	for name in requirements requirements-demo requirements-dev requirements-peer; do $(LOCK) $$name.in -o $$name.txt; done

clean: ## remove what make made
	rm -rf .venv .peer .bench .demo build dist *.egg-info

.PHONY: help peer serve test lint lock clean
