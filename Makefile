# All that ruum needs besides Python 3.11 or newer is fetched into .venv when a target first asks for it.
PYTHON ?= python3
UV_VERSION = 0.13.9

BIN = .venv/bin
READY = .venv/.ready
UV = .uv/bin/uv

export UV_PYTHON_DOWNLOADS = never

.PHONY: up demo test check format lint imports types contracts protos bench faults

# `make up UP="--port gateway=9000"`: see `ruum up --help`.
up: $(READY)
	@exec $(BIN)/ruum up $(UP)

# `make demo ONCE=1` leaves nothing running.
demo: $(READY)
	@exec $(BIN)/ruum demo $(if $(ONCE),--once)

# `make test TESTS=tests/points`; all of them in processes side by side, each with servers of its own.
test: $(READY)
	$(BIN)/pytest $(or $(TESTS),-n 3)

check: format lint imports types contracts

format: $(READY)
	$(BIN)/ruff format --check

lint: $(READY)
	$(BIN)/ruff check

imports: $(READY)
	$(BIN)/lint-imports --no-logo

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/python -c "from pathlib import Path; from services.chassis import protos; protos.image(Path('.venv/contracts.binpb'))"
	$(BIN)/buf lint .venv/contracts.binpb --config buf.yaml
	$(BIN)/python -m tests.conventions.breaking

protos: $(READY)
	$(BIN)/ruum protos

bench: $(READY)
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench.reads

faults: $(READY)
	$(BIN)/python -m tests.faults

$(READY): pyproject.toml uv.lock
	@$(MAKE) --no-print-directory $(UV)
	$(UV) sync --frozen --quiet --compile-bytecode --python $(PYTHON)
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .uv
	@echo '*' > .uv/.gitignore
	.uv/bin/pip install --quiet uv==$(UV_VERSION)
