# Two commands do everything: `make demo` and `make test`. Both need Python >= 3.11 and nothing else.
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first candidate that really runs and is new enough (a shim on PATH may be dead).
CANDIDATES := $(PYTHON) python3 python3.11 python3.12 python3.13 python3.14 python
FIND = for p in $(CANDIDATES); do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done

.PHONY: demo test lint bench lava-dl clean

demo: $(STAMP)
	$(BIN)/neurorobust demo --out out/demo

test: $(STAMP) lint lava-dl
	$(BIN)/python -m pytest -n 2 --require-backend lava --require-backend lava-dl \
		--require-backend norse --require-backend onnx \
		--require-backend snntorch --require-backend torch --require-backend reference \
		$(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# This tier has lava-nc too, so it serves the tests of both.
lava-dl: $(STAMP)
	$(BIN)/neurorobust env build lava-dl

bench: $(STAMP)
	$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) out .mypy_cache .ruff_cache .pytest_cache

$(STAMP): pyproject.toml constraints.txt
	@python="$$($(FIND))"; \
	if [ -z "$$python" ]; then \
		echo "neurorobust needs Python 3.11 or newer: install it, or name one with PYTHON=..." >&2; \
		exit 1; fi; \
	echo "using $$("$$python" --version) for $(VENV)"; \
	"$$python" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[all,dev]'
	@touch $@
