PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
# cuda or tpu for a JAX that uses one; empty for the CPU.
ACCELERATOR :=
INSTALLED := $(VENV)/installed$(ACCELERATOR:%=-%)
# The compilers of accelerators, 310 MB, to hold programs to their bounds.
PLAN := ,plan
# What is installed names its folder: after that was moved it is installed anew.
moved = $(shell [ ! -e $(1) ] || grep -qsF '$(CURDIR)/$(1)' $(1)/bin/activate || echo FORCE)

.PHONY: setup test acceptance lint demo docs release peers clean FORCE

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml $(call moved,$(VENV))
	$(PYTHON) -m venv $(if $(call moved,$(VENV)),--clear) $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[all,dev$(if $(CI),$(PLAN))$(ACCELERATOR:%=,%)]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With CI set, also every parity, the wheel, and each promise at more sizes, networks and devices.
test: lint
	$(BIN)/pytest $(if $(CI),-m 'not acceptance')

# All of it, also what is long by nature, compiled as it is for users.
acceptance: lint
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(BIN)/pytest -m ''

demo: setup
	$(BIN)/python scripts/train.py configs/demo.py --workdir runs/demo
	@echo "Open runs/demo/report/index.html"

# A page for each module from its docstrings, in build/docs.
docs: setup
	rm -rf build/docs
	JAX_PLATFORMS=cpu $(BIN)/python -W ignore::UserWarning -m pdoc --docformat google --output-directory build/docs \
	  $$(find reid_jax -name '*.py' ! -name __main__.py | sed 's|/__init__.py$$||; s|.py$$||; y|/|.|')

# The sdist and the wheel of what is committed, in build/dist; both are checked, the wheel is used.
release: lint docs
	rm -rf build/release build/dist
	mkdir -p build/release
	git archive HEAD reid_jax configs pyproject.toml README.md LICENSE | tar -x -C build/release
	$(BIN)/python -m build --outdir build/dist build/release
	REID_JAX_DIST=build/dist $(BIN)/pytest -n 0 -m '' tests/stories/test_wheel.py

# What the benchmarks run beside, in an environment of its own. timm and torchvision name a build of
# torch each, hence --no-deps. On a GPU machine set PEER_PYTHON to the Python that has PyTorch there.
peers: $(PEERS)/installed

$(PEERS)/installed: scripts/bench/peers/requirements.txt $(call moved,$(PEERS))
	$(PYTHON) -m venv $(if $(call moved,$(PEERS)),--clear) $(PEERS)
	$(PEERS)/bin/pip install --quiet --requirement scripts/bench/peers/requirements.txt
	$(PEERS)/bin/pip install --quiet --no-deps torchvision==0.28.0 timm
	touch $@

clean:
	rm -rf build .pytest_cache .ruff_cache .mypy_cache
