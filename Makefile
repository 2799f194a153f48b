# `make demo` and `make test` set everything up on a machine that has only Python (3.11 or newer) and make.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test parity conformance lint clean

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[test]"
	touch $@

.venv/parity: .venv/installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[parity,dev,cuda]"
	touch $@

demo: .venv/installed  ## train on real data, eager and compiled, and write the IR report
	$(BIN)/python examples/linear_regression.py
	$(BIN)/python examples/digits.py
	$(BIN)/python examples/char_gpt.py --steps 200 --eager-steps 20
	$(BIN)/python -m graphtorch report examples/digits.py --model mlp --epochs 1 --out ir-report

test: .venv/installed  ## everything that needs neither torch nor a GPU
	$(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart=0 tests --ignore=tests/parity

parity: .venv/parity  ## against PyTorch 2.13
	GRAPHTORCH_REQUIRE_TORCH=1 $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart=0 tests/parity

conformance: .venv/parity  ## PyTorch's whole op_db, and third-party programs where $GRAPHTORCH_CONFORMANCE names their folder; rewrites docs/
	$(BIN)/python -m tests.parity.opdb --all --quiet --check --workers 2 --write docs/op_db.md
	$(BIN)/python tests/parity/conformance.py --write docs/conformance.md

lint: .venv/parity
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:
	rm -rf .venv ir-report
