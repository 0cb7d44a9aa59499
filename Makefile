# make setup         virtual environment, dependencies and the command srcnn
# make repro         the whole experiment: dvc repro
# make test          the whole test suite
# make lint          style and types
# make lock          renew constraints.txt
# make test-lowest   the library's tests with the lowest versions that pyproject.toml allows

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH)
# A user's or another project's packages must not leak into the environment.
unexport PYTHONPATH

.PHONY: setup repro test lint lock test-lowest

setup: $(VENV)/ready

$(VENV)/ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --progress-bar off --requirement requirements.txt --constraint constraints.txt
	$(VENV)/bin/pip install --quiet --no-deps --editable .
	touch $@

repro: setup
	dvc repro

# The tests also need the optional parts: ONNX export and the demo page.
OPTIONAL := $(foreach part,onnx demo heic,--requirement requirements-$(part).txt)

$(VENV)/ready-for-tests: $(VENV)/ready requirements-onnx.txt requirements-demo.txt requirements-heic.txt
	$(VENV)/bin/pip install --quiet $(OPTIONAL) --constraint constraints.txt
	touch $@

# In the order that tests/conftest.py gives: the longest files first.
test: $(VENV)/ready-for-tests
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/ready-for-tests # types of the optional parts, too
	ruff check .
	ruff format --check .
	mypy

# In a fresh environment, so that pip chooses anew all that the requirements files do not pin.
lock: FRESH := $(VENV)-lock
lock:
	$(PYTHON) -m venv --clear $(FRESH)
	$(FRESH)/bin/pip install --quiet --requirement requirements.txt $(OPTIONAL)
	echo '# All that `make setup` and `make test` install. Renewed by `make lock`.' > constraints.txt
	$(FRESH)/bin/pip freeze --all --exclude pip | sed 's/+.*//' >> constraints.txt
	rm -r $(FRESH)

# Without DVC, MLflow and the demo. pip cannot choose the lowest versions, uv can.
test-lowest: LOWEST := $(VENV)-lowest
test-lowest:
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/pip install --quiet uv
	grep -E '^(pytest|pytest-timeout|scikit-image|selenium)=' requirements.txt > $(LOWEST)/tests.txt
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST) --resolution lowest-direct \
		--requirement pyproject.toml --extra figures --extra heic --extra onnx --extra perceptual \
		--requirement $(LOWEST)/tests.txt
	env -u CI $(LOWEST)/bin/python -m pytest tests/srcnn
