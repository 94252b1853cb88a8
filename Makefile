# Every command is one word; `make help` explains them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PORT ?= 8000
ARGS ?=
N ?= 300
ROWS ?= 1000000
SEED ?=
PY := .venv/bin/python
STACK := $(PY) -m escrow_platform.stack
CSS_IN := static/src/holdfast.css
CSS_OUT := static/css/holdfast.css

# The first Python on PATH that is new enough; PYTHON=... overrides.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

# What pip does, a word for each package; npm says nothing that a person could follow, so it gets dots.
progress = awk '/^Collecting / { print "  " $$2; fflush() } /^Installing / { print "  installing them ..."; fflush() }'
waiting = { while sleep 3; do printf .; done & } 2> /dev/null; dots=$$!; trap 'kill $$dots; echo' EXIT

say = { echo "holdfast: $(1)" >&2; exit 1; }

.PHONY: help setup demo demo-check demo-stop demo-reset test check chaos chaos-rules-off soak explain hosts bench attack nodes \
	gas contracts contracts-long contracts-exit contracts-prove contracts-mutate schema css messages clean chromium

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.installed node_modules/.installed ## Python and npm packages, at their pinned versions
	@:

demo: setup ## the whole product on this machine: http://127.0.0.1:8000 (PORT=... for another)
	@$(STACK) demo --port $(PORT)

demo-check: setup ## the demo without a browser, on scratch data; ends by itself
	@$(STACK) demo --check

demo-stop: ## end the demo, wherever it was started
	@$(STACK) stop

demo-reset: setup ## forget the people, deals and chain of the demo
	@$(STACK) reset

test: setup chromium ## all tests on real services; ARGS="tests/stack -k port" for some
	@$(STACK) exec --scratch -- python -m pytest -n 3 $(ARGS)

chaos: setup ## the failure tests F1 to F46, long; writes docs/results/chaos.md
	@$(STACK) exec --scratch -- python -m tests.chaos.run_chaos $(ARGS)

chaos-rules-off: setup ## take each rule away that a failure test stands for: is it noticed? ARGS="F7 F12"
	@$(STACK) exec --scratch -- python -m tests.chaos.run_rules_off $(ARGS)

check: setup ## lint, format, types, import direction, migrations, API schema
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy .
	@.venv/bin/lint-imports
	@$(STACK) exec --scratch --services pg,redis -- python manage.py makemigrations --check --dry-run
	@fresh=$$(mktemp); trap 'rm -f "$$fresh"' EXIT; \
	$(PY) manage.py spectacular --validate --fail-on-warn --file "$$fresh"; \
	diff -u docs/openapi.yaml "$$fresh" || $(call say,docs/openapi.yaml is not what the code says; run: make schema)

explain: setup ## the plans of all hot queries on ROWS=1000000 chain events; writes docs/results/explain.md
	@ROWS=$(ROWS) KEEP_RESULTS=1 $(STACK) exec --scratch --services pg,redis -- \
		python -m pytest -x tests/scale/explain.py --show-capture=no $(ARGS)

hosts: setup ## two hosts, one of them cut off in the middle; needs root; writes docs/results/hosts.md
	@$(PY) -m tests.hosts $(ARGS)

nodes: setup tests/nodes/node_modules/.installed ## the engine and a whole life on hardhat's node beside anvil; writes docs/results/nodes.md
	@$(STACK) exec --scratch --services pg,redis -- python -m tests.nodes $(ARGS)

gas: setup ## measure what each action costs on chain, compare, write contracts/gas.json
	@$(PY) -m contracts.gas $(ARGS)

contracts: setup ## the contracts: committed build, Solidity tests, Python tests
	@$(PY) -m contracts.build --check
	@$(PY) -m contracts.forge test
	@$(PY) -m pytest tests/contracts -n 2 \
		--deselect tests/contracts/test_build.py::test_artifacts_are_rebuilt_byte_for_byte \
		--deselect tests/contracts/test_build.py::test_solidity_tests_pass

contracts-long: setup ## play the contracts' invariants for 500,000 calls and more; many minutes
	@$(PY) -m contracts.long

contracts-exit: setup ## a buyer and a seller take their money out with the platform switched off
	@$(PY) -m contracts.exit_play

contracts-prove: setup .venv-proof/.installed ## symbolic proofs and static analysis of the contracts
	@$(PY) -m contracts.prove $(ARGS)
	@$(PY) -m pytest tests/proving

contracts-mutate: setup .venv-proof/.installed ## do the tests notice thousands of small changes? ARGS="--minutes 30"
	@nice -n 15 $(PY) -m contracts.mutate $(ARGS)

soak: setup ## N whole deals while everything fails and is killed, then the money is counted; SEED=... replays
	@$(PY) -m tests.soak $(N) $(if $(SEED),--seed $(SEED)) $(ARGS)

attack: setup ## strangers flood, guess and race on a stack of its own; writes docs/results/attack.md; ARGS="dust"
	@$(STACK) exec --scratch --services pg,redis -- python -m tests.attack $(ARGS)

bench: setup ## speed and memory beside their floors; writes docs/benchmarks; ARGS="b d" for some
	@$(STACK) exec --scratch --services pg,redis -- python -m tests.bench $(ARGS)

schema: setup ## write docs/openapi.yaml from the code
	@mkdir -p docs
	@$(PY) manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

css: setup ## build the committed stylesheet
	@node_modules/.bin/tailwindcss --input $(CSS_IN) --output $(CSS_OUT) --minify

messages: setup ## collect the translatable sentences
	@command -v xgettext > /dev/null || $(call say,gettext is missing; install it: apt-get install gettext)
	@$(PY) manage.py makemessages --all --ignore node_modules --ignore .venv

clean: ## remove what setup and the checks made; the demo's data stays
	@rm -rf .venv .venv-proof node_modules staticfiles .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: a second setup takes no time, a changed requirement takes one install.

.venv/.installed: requirements.txt requirements-dev.txt constraints.txt
	@test -n "$(PYTHON)" || $(call say,Python 3.11 or newer is missing; install it or name one: make setup PYTHON=/path/to/python3.11)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| $(call say,$(PYTHON) is older than 3.11; name a newer one: make setup PYTHON=/path/to/python3.11)
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null \
		|| $(call say,This Python has no venv module; install it: apt-get install python3-venv)
	@echo "Installing Python packages ..."
	@test -x .venv/bin/pip || $(PYTHON) -m venv --clear .venv
	@.venv/bin/pip install --progress-bar off -r requirements-dev.txt -c constraints.txt | $(progress) \
		|| $(call say,The Python packages could not be installed (pip says why above); check the network and run make setup again.)
	@touch $@

.venv-proof/.installed: requirements-proof.txt constraints-proof.txt
	@test -n "$(PYTHON)" || $(call say,Python 3.11 or newer is missing; install it or name one: make $@ PYTHON=/path/to/python3.11)
	@echo "Installing the provers ..."
	@test -x .venv-proof/bin/pip || $(PYTHON) -m venv --clear .venv-proof
	@.venv-proof/bin/pip install --progress-bar off -r requirements-proof.txt -c constraints-proof.txt | $(progress) \
		|| $(call say,The provers could not be installed (pip says why above); check the network and run make again.)
	@touch $@

# Not `npm ci`: it refuses a lock file without the optional builds for other platforms, which can not be listed
# where a package index lacks them. Versions are exact in package.json, the lock is read and never written.
node_modules/.installed: package.json package-lock.json
	@command -v node > /dev/null && command -v npm > /dev/null \
		|| $(call say,Node is missing; install Node 20 or newer with npm.)
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' \
		|| $(call say,Node $$(node --version) is too old; install Node 20 or newer.)
	@echo "Installing npm packages ..."
	@$(waiting); npm install --no-save --silent --loglevel=error --no-update-notifier \
		|| $(call say,The npm packages could not be installed (npm says why above); check the network and run make setup again.)
	@ls node_modules/@foundry-rs/anvil-*/bin/anvil > /dev/null 2>&1 \
		|| $(call say,npm left out anvil: its download broke or it has no build for this platform; run make setup again.)
	@touch $@

tests/nodes/node_modules/.installed: tests/nodes/package.json tests/nodes/package-lock.json
	@echo "Installing hardhat ..."
	@cd tests/nodes && npm install --no-save --silent --loglevel=error --no-update-notifier \
		|| $(call say,hardhat could not be installed (npm says why above); check the network and run make nodes again.)
	@touch $@

chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name > /dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
		echo "Installing Chromium ..."; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null; } \
			|| $(call say,Chromium could not be installed (apt-get says why above); check the network and run make test again.); \
	else \
		$(call say,Chromium is missing and the browser tests need it; run: sudo apt-get install chromium); \
	fi
