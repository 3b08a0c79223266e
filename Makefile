# `make setup` once, then `make demo` to see it and `make test` to check it. Needs Python >= 3.11.

PYTHON ?= python3
BIN := .venv/bin
DEMO := out/demo
FAMILY := biscuit

# By their Debian names: the shared libraries that the wheels of OpenCV and of Open3D (a twin in the tests) expect to find, and the
# browser in which the report, the gallery and the playground are tested.
SYSTEM := chromium libegl1 libgl1 libglib2.0-0 libgomp1 libudev1 libusb-1.0-0 libx11-6

.PHONY: setup demo test test-albumentationsx test-plug-in test-ray test-remote test-lowest fuzz mutants soak lint types bench bench-check docs \
    prove-promises clean
.DELETE_ON_ERROR:

setup: .venv/.setup

.venv/.setup: pyproject.toml constraints.txt
	@if dpkg --status $(SYSTEM) >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM); \
	else \
	    echo "OpenCV, Open3D and the tests need these packages (Debian names): $(SYSTEM)"; \
	fi
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export,playground,serve,dev,docs]'
	@touch $@

demo: setup
	rm -rf $(DEMO)
	$(BIN)/das3d-aug demo-data $(DEMO)/parts --size 128 --workers 2
	$(BIN)/das3d-aug preview $(DEMO)/parts --seed 0 --out $(DEMO)/sheet.png
	$(BIN)/das3d-aug generate $(DEMO)/parts --out $(DEMO)/anomalies --limit 20 --seed 0
	$(BIN)/das3d-ref train --data $(DEMO)/parts --category $(FAMILY) --preset demo --out $(DEMO)/detector
	$(BIN)/das3d-ref evaluate $(DEMO)/detector --data $(DEMO)/parts --category $(FAMILY) --baselines --out $(DEMO)/results
	$(BIN)/das3d-ref predict $(DEMO)/detector $(DEMO)/parts/$(FAMILY)/test/crack --unit m --out $(DEMO)/verdicts
	@echo "Open $(DEMO)/results/report.html: the detector's figures and every test image."
	@echo "Look at $(DEMO)/sheet.png (synthetic defects), $(DEMO)/results/figures and $(DEMO)/verdicts/overlays."

test: lint types docs
	$(BIN)/pytest -n 2

# Optional: the transforms on the successor of albumentations, which is AGPL or commercial and so no dependency.
test-albumentationsx: .venv-albumentationsx/.setup
	.venv-albumentationsx/bin/pytest tests/aug/transforms

.venv-albumentationsx/.setup: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-albumentationsx
	.venv-albumentationsx/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[export,dev]'
	.venv-albumentationsx/bin/pip uninstall --quiet --yes albumentations albucore
	.venv-albumentationsx/bin/pip install --quiet --disable-pip-version-check albumentationsx==2.5.1
	@touch $@

# Optional: das3d plugged into other projects' software, in the docs' blocks marked `py` too (6 GB, minutes).
test-plug-in: .venv-plug-in/.setup
	.venv-plug-in/bin/pytest -o filterwarnings=default tests/plug_in/run_anomalib.py tests/plug_in/run_pages.py

# Optional: a set made on a Ray cluster of two nodes, one of which is lost, in an environment of its own.
test-ray: .venv-ray/.setup
	.venv-ray/bin/pytest -o filterwarnings=default tests/plug_in/run_ray.py

.venv-ray/.setup: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-ray
	.venv-ray/bin/pip install --quiet --disable-pip-version-check -c constraints.txt ray==2.60.0 pytest -e .
	@touch $@

# Optional: shards in an object store, a local server of moto's that is slow, busy or gone, in an environment of its own.
test-remote: .venv-remote/.setup
	.venv-remote/bin/pytest -o filterwarnings=default tests/plug_in/run_remote.py

.venv-remote/.setup: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-remote
	grep -v '^python-dateutil' constraints.txt >.venv-remote/constraints.txt  # botocore wants an older one
	.venv-remote/bin/pip install --quiet --disable-pip-version-check -c .venv-remote/constraints.txt \
	    s3fs==2026.9.0 'moto[server,s3]==5.2.5' pytest -e .
	@touch $@

.venv-plug-in/.setup: pyproject.toml
	$(PYTHON) -m venv .venv-plug-in
	.venv-plug-in/bin/pip install --quiet --disable-pip-version-check \
	    anomalib==2.7.0 torch==2.14.1 torchvision==0.29.1 'pandas<3' 'datasets[vision]==5.2.0' grain==0.2.18 pytest -e .
	@touch $@

# Optional: the lowest versions that pyproject.toml allows, on its lowest Python; torch alone stays as in constraints.txt, as old ones are GBs.
LOWEST := tests/aug/synthesis/test_pair.py tests/aug/synthesis/test_batch.py tests/aug/synthesis/test_noise.py \
    tests/aug/files/test_images.py tests/aug/files/test_tiff.py tests/aug/geometry tests/aug/transforms/test_transforms.py \
    tests/aug/transforms/test_targets.py tests/aug/datasets/test_readers.py tests/aug/datasets/test_folder.py \
    tests/aug/adapters tests/ref/metrics tests/ref/model

test-lowest: .venv-lowest/.setup
	.venv-lowest/bin/pytest $(LOWEST)

.venv-lowest/.setup: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt torch uv
	.venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python --resolution lowest-direct \
	    -e '.[ref]' 'hypothesis>=6.100' 'pillow>=11' 'pytest>=9' 'scikit-learn>=1.6'
	@touch $@

# Optional: looks for files that a reader can neither read nor refuse; all readers in turn, or TARGET alone.
SECONDS := 300
fuzz: .venv-fuzz/.setup
	PYTHONPATH=.:tests OMP_NUM_THREADS=1 .venv-fuzz/bin/python -m tests.fuzz.run --seconds $(SECONDS) $(TARGET)

.venv-fuzz/.setup: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --disable-pip-version-check -c constraints.txt atheris==3.0.0 -e '.[export]'
	@touch $@

# Slow: faults put into kernels, metrics and readers, EACH of a file, that the tests must notice.
EACH := 20
mutants: setup
	PYTHONPATH=.:tests OMP_NUM_THREADS=1 $(BIN)/python -m tests.mutation.run --each $(EACH)

# Slow: long runs in flat memory, then hundreds of kills; SHARE of all numbers.
SHARE := 1
soak: setup
	PYTHONPATH=.:tests OMP_NUM_THREADS=1 $(BIN)/python -m tests.soak.run --share $(SHARE)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m benchmarks.synthesis
	$(BIN)/python -m benchmarks.prepare
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.metrics

# Is das3d as fast beside other code as when that was last accepted? ARGS=--accept writes benchmarks/accepted.json.
bench-check: setup
	$(BIN)/python -m benchmarks.check $(ARGS)

# Slow: the tests of docs/promises.md, each on das3d as it is and on a copy of it that is broken.
prove-promises: setup
	$(BIN)/python -m tests.promises.prove

# Its theme announces its own end at every build; that is no fault of the docs.
docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf .venv .venv-albumentationsx .venv-plug-in .venv-ray .venv-remote .venv-fuzz .venv-lowest .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist out site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
