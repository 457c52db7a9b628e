# The two commands of the README: `make demo` and `make test`. Everything they need goes into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
UV_VERSION := 0.13.9
# Compiled once here and not at every start: half of what importing TensorFlow takes, where no bytecode may be written later.
INSTALL := $(UV) pip install --python $(BIN)/python --quiet --compile-bytecode

.PHONY: demo test check bench messages lock clean

demo: $(VENV)/runtime.stamp
	@$(BIN)/grader doctor
	$(BIN)/grader grade submissions --data embedded --out reports

test: $(VENV)/dev.stamp
	$(MAKE) check
	$(BIN)/pytest

# Everything that needs no run of a notebook: style, types, layers.
check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# How fast it is, on this machine: hours, since whole MNIST is trained on several times. BENCH="--rows 4,5" measures less.
bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench $(BENCH)

# Collect what is said to people into the catalogues of grader/locale, compile them, and write docs/findings.md: docs/languages.md.
messages: $(VENV)/dev.stamp
	$(BIN)/python -m tools.messages
	$(BIN)/python -m tools.findings

$(UV):
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Python 3.11 to 3.13 is needed; name it: make PYTHON=python3.12 " + "…"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(VENV)/runtime.stamp: requirements.lock pyproject.toml | $(UV)
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps --editable .
	@$(BIN)/python -m compileall -q grader
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/runtime.stamp
	$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# Resolve the dependencies anew. The locks carry hashes and no addresses, so any mirror serves.
lock: | $(UV)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock

clean:
	rm -rf $(VENV) reports
