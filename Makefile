# Two commands on a fresh machine (Python 3.11 or newer with pip, make): `make demo` and `make test`.

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run-ready
TEST_STAMP := $(VENV)/.test-ready
PORT ?= 3000
LOGS ?=
# Most tests wait for real processes and sockets, so there may be more of them at once than there are cores.
TEST_WORKERS ?= 4

.PHONY: demo test lint format lock score bench picture licences package clean help

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## / — /'

demo: $(RUN_STAMP)  ## play a real scenario against local stand-ins, serve the sandbox page (ONCE=1: exit after it)
	@$(BIN)/python -m bot demo --port $(PORT) $(if $(ONCE),--once)

test: $(TEST_STAMP)  ## the whole test suite
	@$(BIN)/python -m pytest -n $(TEST_WORKERS)

lint: $(TEST_STAMP)  ## ruff and mypy --strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(TEST_STAMP)  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

score: $(TEST_STAMP)  ## how well the diagnosis does on labelled logs (LOGS="dir ...")
	@$(BIN)/python -m tests.score $(LOGS)

bench: $(TEST_STAMP)  ## measure speed and memory on this machine
	@$(BIN)/python -m tests.bench

# No index addresses in the files: they would be this machine's, and whoever installs has their own.
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: $(TEST_STAMP)  ## rewrite the pinned requirements
	$(LOCK) -o requirements.txt
	$(LOCK) --extra dev -c requirements.txt -o requirements-dev.txt

picture: $(TEST_STAMP)  ## take the picture of a card in the README anew, from the sandbox (needs Chromium)
	@$(BIN)/python -m tests.picture

licences: $(RUN_STAMP)  ## the licence of everything that is installed with the bot
	@$(BIN)/python tools/licences requirements.txt

package: $(TEST_STAMP)  ## build the wheel and the source archive, and run the wheel outside the tree
	@sh tools/package $(BIN)/python

clean:  ## forget the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	@sh tools/make-venv $(VENV)
	@touch $@

$(RUN_STAMP): requirements.txt $(VENV)/.made
	@echo "Installing what the bot needs (once)..."
	@sh tools/pip-install $(VENV) requirements.txt
	@touch $@

$(TEST_STAMP): requirements-dev.txt requirements.txt $(VENV)/.made
	@echo "Installing what the tests need (once)..."
	@sh tools/pip-install $(VENV) requirements-dev.txt
	@touch $@ $(RUN_STAMP)
