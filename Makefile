# Terrane: `make demo` shows it, `make serve ROOT=DIR` runs it, `make test` proves it, `make check` is the inner loop.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup build demo serve test check chaos conformance sanitize fuzz standards fresh-check bench-core-path bench-ingest bench-formats bench-parallel-copy bench-raster bench-rpc bench-python-client lint generate clean

# Folder whose files may be turned into datasets (make serve ROOT=/data).
ROOT ?= $(CURDIR)/.setup/data
# Rounds of make chaos, and the seed that repeats them (none: a new one, which is printed).
ROUNDS ?= 100
SEED ?=
STRICT := --explicit-target-dependency-import-check error
# An installed program finds Swift's runtime beside it (scripts/install copies it).
RUNTIME := -Xlinker -rpath -Xlinker '$$ORIGIN/../lib'

help:
	@sed -nE 's/^## //p' $(MAKEFILE_LIST)

## make setup         install what is missing (the only step that downloads)
setup:
	@scripts/setup

## make build         build the programs (optimised)
build: setup
	@for program in terraned terrane-task terrane; do swift build -c release $(STRICT) $(RUNTIME) --product $$program; done

## make demo          from nothing to a served dataset, then stop
demo: build
	@scripts/demo

## make serve         keep it running; your own files: make serve ROOT=/path/to/files
serve: build
	@scripts/serve "$(ROOT)"

## make test          every test
test: setup
	@scripts/test

## make fuzz          the protocol core: ten minutes of coverage-guided fuzzing with the address sanitizer (FUZZ_SECONDS=600)
FUZZ_SECONDS ?= 600
fuzz: setup
	@scripts/fuzz $(FUZZ_SECONDS)

## make conformance   every case of the suite against our server and our clients
conformance: setup
	@scripts/conformance

## make sanitize      the transport's tests under the thread and the address sanitizer
sanitize: setup
	@scripts/sanitize

## make chaos         100 rounds of faults against a release build (ROUNDS=, SEED=)
chaos: build
	@TERRANE_BUILD=release PYTHONPATH=Tests/Chaos PYTHONDONTWRITEBYTECODE=1 \
	  .setup/venv/bin/python -u -m chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED))

## make standards     what others' tools say of the data API: 90 s of invented requests a family, the STAC API's validator
standards: setup
	@swift build --product terraned && swift build --product terrane && swift build --product terrane-task
	@TERRANE_FUZZ_SECONDS=90 .setup/venv/bin/python -m pytest Tests/EndToEnd/test_standards.py -q -s -p no:cacheprovider

## make check         the inner loop: build, unit tests, lint
check: setup
	@scripts/test --quick

## make bench-core-path   create to READY, creates a second, watch latency, beside their peers (docs/benchmarks.md)
bench-core-path: build
	@Benchmarks/run core_path

## make bench-ingest      loading vectors, beside ogr2ogr
bench-ingest: build
	@Benchmarks/run ingest

## make bench-formats     memory of a child by format, at half a million and five million features
bench-formats: build
	@Benchmarks/run formats

## make bench-raster      writing rasters beside gdal_translate and rio cogeo, a tile beside TiTiler alone
bench-raster: build
	@Benchmarks/run raster

## make bench-parallel-copy  one COPY beside two at once
bench-parallel-copy: build
	@Benchmarks/run parallel_copy

## make bench-rpc      the transport, beside gRPC C++, grpc-swift-2 and a C floor (scripts/setup-bench installs them)
bench-rpc:
	@scripts/setup-bench
	@swift build -c release --package-path Benchmarks --product bench-rpc-server
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=Benchmarks .setup/venv/bin/python -m terrane_bench.rpc; status=$$?; Benchmarks/report; exit $$status

## make bench-python-client  the Python client, beside grpcio
bench-python-client: setup
	@PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=Benchmarks .setup/venv/bin/python -m terrane_bench.python_client; status=$$?; Benchmarks/report; exit $$status

## make lint          formatting, generated code, house rules
lint:
	@scripts/lint

## make generate      generated code and docs, anew
generate: setup
	@scripts/generate

## make fresh-check   by hand, as root: demo and test on a bare Debian 12, as root and as a user
fresh-check:
	@scripts/fresh-check
