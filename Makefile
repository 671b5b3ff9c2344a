# Every target sets up what it needs. Needs Python 3.11 or later, make, and the package registries.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# uv trusts its own list of certificate authorities unless told; pip, and whoever is behind a company proxy, the system's.
export UV_SYSTEM_CERTS ?= 1
UV_PIP := $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt

.PHONY: demo test test-slow check bench format docs clean

demo: .make/app
	cd examples/hello && ../../$(BIN)/kite dev --local --stage demo

test: .make/test .make/check
	$(BIN)/python -m pytest -n auto --dist worksteal

test-slow: .make/test
	$(BIN)/python -m pytest -m slow

check: .make/test .make/check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .make/test
	$(BIN)/python -m benchmarks

format: .make/check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .make/app
	$(BIN)/python -m docs.generate

.make/uv: constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Skykite needs Python 3.11 or later; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@mkdir -p .make && touch $@

.make/app: .make/uv pyproject.toml constraints.txt
	$(UV_PIP) --editable .
	@touch $@

.make/test: .make/app
	$(UV_PIP) --group test
	@touch $@

.make/check: .make/test
	$(UV_PIP) --group check
	@touch $@

clean:
	rm -rf $(VENV) .make
