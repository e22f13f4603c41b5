# Everything is one command: see README.md for `make demo` and `make test`, HACKING.md for more.
SHELL := /bin/bash
JOBS ?= $(shell nproc)
DEPS := $(or $(COTENANT_DEPS),$(CURDIR)/.deps)
PYTHON := $(DEPS)/venv/bin/python

export JOBS
export COTENANT_DEPS := $(DEPS)
export PATH := $(DEPS)/bin:$(PATH)
# Checkouts in different places share what ccache holds.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

.PHONY: build demo demo-stop test test-all conformance-record bench format format-check clean

build:
	@tools/setup build
	@cmake -S . -B build -G Ninja -Wno-dev --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
	  -DORT_ROOT=$(DEPS)/onnxruntime
	@cmake --build build -j$(JOBS) --target cotenant

demo: build
	@tools/setup demo
	@$(PYTHON) tools/demo/demo.py $(DEMO_ARGS)

demo-stop:
	@$(PYTHON) tools/demo/demo.py --stop

test:
	@tools/setup test
	@tools/test

test-all:
	@tools/setup all
	@tools/test all

conformance-record: build
	@tools/setup test triton
	@$(PYTHON) tests/conformance/record.py

bench: build
	@tools/setup test demo
	@for peer in perf-analyzer triton; do tools/setup $$peer || echo "going on without $$peer"; done
	@benchmarks/run $(BENCH_ARGS)

format:
	@tools/setup test
	@git ls-files '*.h' '*.cc' | xargs $(DEPS)/venv/bin/clang-format -i

format-check:
	@tools/setup test
	@git ls-files '*.h' '*.cc' | xargs $(DEPS)/venv/bin/clang-format --dry-run --Werror

clean:
	rm -rf build build-asan build-tsan build-clang build-fuzz
