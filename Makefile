# make setup   virtual environment and dependencies
# make repro   the whole experiment: dvc repro
# make test    the whole test suite
# make lint    style

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
# A user's or another project's packages must not leak into the environment.
unexport PYTHONPATH

.PHONY: setup repro test lint

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --requirement requirements.txt
	touch $@

repro: setup
	dvc repro

# The tests also need the optional parts: ONNX export and the demo page.
$(VENV)/ready-for-tests: $(VENV)/ready requirements-onnx.txt requirements-demo.txt
	$(VENV)/bin/pip install --quiet --requirement requirements-onnx.txt --requirement requirements-demo.txt
	touch $@

test: $(VENV)/ready-for-tests
	python -m pytest -n 2 --dist loadfile

lint: setup
	ruff check .
	ruff format --check .
