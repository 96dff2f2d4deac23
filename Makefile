# Everything except `setup`, `services`, `clients`, `dbos`, `schemathesis`, `tmforum` and `release` (and what needs them for the first time) works without a network.
PYTHON ?= python3
VENV ?= .venv
SEEDS ?= 200
START ?= 0
JOBS ?= 2
TESTS ?= tests
# Modules are compiled once for all the processes that tests start, whatever the machine says of bytecode.
RUN_TESTS = PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX=$(CURDIR)/build/pycache $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder --max-worker-restart 0 $(TESTS)
# A worker ends with the stacks of its threads where one test takes longer than this: slow tests have more.
FIRST_TIER = -m "not slow" -o faulthandler_timeout=700
ENGINES ?=
COMMIT ?=
PROFILE ?= embedded
SECONDS ?= 60
MINUTES ?= 10
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
# KEEP=1 given to make reaches the demo: make hands its own variables on as environment.
.PHONY: help setup services clients dbos schemathesis tmforum generate texts docs demo run test test-all test-other durations screenshots \
	check bench bench-compare simulate rolling chaos release lock clean


help: ## print the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

setup: ## make the virtual environment from the lock; quick when it is up to date
	@sh deploy/build/setup.sh "$(PYTHON)" "$(VENV)"

services: ## install the servers that demo and tests start for themselves; as root, on Debian
	@sh deploy/build/services.sh

clients: ## install what the clients for Node.js need, for their tests; needs npm
	@sh deploy/build/clients.sh

dbos: setup ## install DBOS in build/dbos, for python -m tests.bench.dbos
	@sh deploy/build/tool.sh "$(BIN)/python" dbos 3.4.0

schemathesis: setup ## install Schemathesis in build/schemathesis, for the slow test of the Open APIs
	@sh deploy/build/tool.sh "$(BIN)/python" schemathesis 4.32.5

tmforum: setup ## install the client tmforum in build/tmforum, for the slow test of the Open APIs
	@sh deploy/build/tool.sh "$(BIN)/python" tmforum 0.32.0

generate: setup ## generate gateway/api from protos
	@$(BIN)/python protos/generate.py

texts: setup ## take new texts of the commands into the Chinese catalogues, and compile them
	@$(BIN)/python -m deploy.texts

docs: setup ## write the state diagrams of docs/ from the code, and CLAUSES.md from the markers of tests
	@$(BIN)/python -m deploy.docs

demo: setup ## run the story with real processes; PROFILE=production, KEEP=1 leaves it running
	@$(BIN)/python -m deploy.demo --profile $(PROFILE)

run: setup ## run a federation until Ctrl-C: PROFILE=embedded or production
	@$(BIN)/python -m deploy.local --profile $(PROFILE)

test: setup ## run the first tier of the tests; TESTS=path narrows them
	@ENGINES=$(ENGINES) $(RUN_TESTS) $(FIRST_TIER)

test-all: setup ## run all tests, on both engines where they have databases; TESTS=path narrows them
	@ENGINES=all $(RUN_TESTS)

durations: setup ## run the first tier and record how long its tests take
	@$(RUN_TESTS) $(FIRST_TIER) --record-durations

screenshots: setup ## open each page of the console in Chromium, and write pictures into build/screenshots
	@sh deploy/build/services.sh chromium
	@$(MAKE) --no-print-directory test-all TESTS="tests/federation/test_console_in_a_browser.py tests/federation/test_certificate_in_a_browser.py tests/federation/test_proposal_in_a_browser.py"

test-other: ## run the first tier on another interpreter: PYTHON=… VENV=…
	@$(MAKE) --no-print-directory test

check: setup ## ruff, mypy, buf, the contract as of the last release, generated code fresh, tidy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code
	$(BIN)/python -m deploy.releases
	$(BIN)/python protos/generate.py --check
	$(BIN)/python -m deploy.texts --check
	$(BIN)/python -m pytest -q tests/unit/test_tidy.py

bench: setup ## measure against a bare gRPC chain; writes build/bench.json
	@$(BIN)/python -m tests.bench

bench-compare: setup ## measure beside the last release, in turns; fails where something got worse by more than 5 %: COMMIT=other
	@$(BIN)/python -m tests.bench.against $(COMMIT)

simulate: setup ## run the seeded simulation: SEEDS=n; START=5000 for swarms, 6000 with wild clocks, 10000 for joint orders, 20000 for reconciliation, 30000 for moves
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --start $(START)

rolling: setup ## replace every process under load, stopped and killed: SECONDS=n for each
	@$(BIN)/python -m tests.rolling --seconds $(SECONDS)

chaos: setup ## break every member of the production shape under load: MINUTES=n, SEED=n for the same faults
	@$(BIN)/python -m tests.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

release: setup ## write wheel, locked packages, bill of materials and licences of this commit into dist
	@sh deploy/release/release.sh "$(BIN)/python" dist

lock: ## resolve both locks anew, from pyproject.toml and deploy/release/tools.in; needs uv on the path
	uv pip compile pyproject.toml --extra dev --extra pkcs11 --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --upgrade --quiet --custom-compile-command "make lock" -o requirements.lock
	uv pip compile deploy/release/tools.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --upgrade --quiet --custom-compile-command "make lock" -o deploy/release/tools.lock

clean: ## remove what was built; keeps the virtual environment
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name '.venv*' -prune -o -name __pycache__ -prune -exec rm -rf {} +
