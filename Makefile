PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
# cuda or tpu for a JAX that uses one; empty for the CPU.
ACCELERATOR :=
INSTALLED := $(VENV)/installed$(ACCELERATOR:%=-%)
# What is installed names its folder: after that was moved it is installed anew.
moved = $(shell [ ! -e $(1) ] || grep -qsF '$(CURDIR)/$(1)' $(1)/bin/activate || echo FORCE)

.PHONY: setup test lint demo peers clean FORCE

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml $(call moved,$(VENV))
	$(PYTHON) -m venv $(if $(call moved,$(VENV)),--clear) $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[all,dev$(ACCELERATOR:%=,%)]'
	touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# With CI set, also what compiles for minutes and is a sibling of what is tested anyway.
test: lint
	$(BIN)/pytest $(if $(CI),-m '')

demo: setup
	$(BIN)/python scripts/train.py configs/demo.py --workdir runs/demo
	@echo "Open runs/demo/report/index.html"

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
