# Two commands are enough on a fresh machine with Rust and a C compiler: `make demo` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test ready bench setup compiler test-tools pages

# Further arguments of the command that a target runs: make demo ARGS="--agents 50"
ARGS ?=

# Programs that the tests speak to, and the Debian packages they come in.
TEST_PROGRAMS := sipp tshark promtool prometheus node npm chromium baresip sox ffmpeg ffprobe
TEST_PACKAGES := sip-tester tshark prometheus nodejs npm chromium baresip-core sox ffmpeg

help:
	@echo "make demo    build the release and run the demo: a simulated carrier, scripted agents, the engine between them"
	@echo "make test    install what the tests need (as root, where it is missing) and run all of them"
	@echo "make ready   what must hold before a push: format, clippy, tests, documentation, licences"
	@echo "make bench   measure the floor"
	@echo "make pages   build the agents' page and the softphone anew and run their own tests"
	@echo "make setup   only install what is missing"

# A function, not a target: both set-ups install in the same quiet way, and tshark asks no question.
define install
	if [ "$$(id -u)" -ne 0 ]; then \
		echo "Missing: $(1). Install the Debian packages \"$(2)\" as root, or run this as root." >&2; \
		exit 1; \
	fi; \
	echo "Installing $(2) ..."; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq; \
	apt-get install -y -qq --no-install-recommends $(2) >/dev/null
endef

compiler:
	@command -v cargo >/dev/null || { echo "Missing: cargo. Install Rust 1.90 or later with rustup." >&2; exit 1; }
	@if ! command -v cc >/dev/null; then $(call install,cc (SQLite and the allocator are C),build-essential); fi

# npm's packages of web/: they build the pages and drive a browser in the tests; the engine is built without them.
define web_packages
	if ! (cd web && npm ls --silent >/dev/null 2>&1); then \
		echo "Installing the packages of web/package-lock.json ..."; \
		(cd web && npm ci --ignore-scripts --silent); \
	fi
endef

# TANDEM_SKIP_PEERS=1 leaves out the tests that speak to other programs; then nothing is installed.
test-tools: compiler
	@if [ "$${TANDEM_SKIP_PEERS:-0}" != 1 ]; then \
		missing=""; \
		for program in $(TEST_PROGRAMS); do command -v $$program >/dev/null || missing="$$missing $$program"; done; \
		if [ -n "$$missing" ]; then $(call install,$$missing (TANDEM_SKIP_PEERS=1 does without),$(TEST_PACKAGES)); fi; \
		$(call web_packages); \
	fi

pages:
	@$(call web_packages)
	cd web && npm run build && npm test

setup: test-tools
	@echo "Everything is there."

demo: compiler
	cargo build --release --locked
	exec target/release/tandem demo $(ARGS)

test: test-tools
	@begin=$$SECONDS; \
	cargo test --locked $(ARGS); \
	echo "All tests passed; building and running them took $$((SECONDS - begin)) s."

ready: test-tools
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	$(MAKE) test
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check; \
	else echo "cargo-deny is not installed: licences are checked by tests/tidy.rs, advisories are not."; fi

bench: compiler
	cargo bench --locked $(ARGS)
