# What is done to this tree, by hand and by CI.
.DEFAULT_GOAL := help

# Everything that a target makes, downloads or installs stays in here.
OUT := target
BINARY := $(OUT)/release/memoryd
FIXTURES := $(OUT)/release/examples/memoryd-fixtures
VENV := $(OUT)/venv
VENV_MCPO := $(OUT)/venv-mcpo
VENV_MEM0 := $(OUT)/venv-mem0
VENV_SCHEMATHESIS := $(OUT)/venv-schemathesis
NPM := $(OUT)/npm
DEBIAN := $(OUT)/debian
UI_NPM := $(OUT)/ui-npm
REFERENCE := $(OUT)/reference/release/memoryd-reference
TOKENS := $(OUT)/tokens
PEERS_NPM := $(OUT)/peers-npm
VENV_PEERS := $(OUT)/venv-peers
CHROMIUM := /usr/bin/chromium
TORTURE := python3 -B tests/torture
FUZZ_TARGETS := record journal rpc config import forwarding moving
CLIENT_TESTS := tests/clients
PYTHON_CLIENT := clients/python
SHARED := ../shared
# What is shipped, and the account that it is published under.
PACKAGES := $(OUT)/packages
OWNER ?= OWNER
TRIPLE = $(shell rustc -vV | sed -n 's/^host: //p')

.NOTPARALLEL:
.PHONY: help run build test test-rust test-clients test-conformance schemathesis torture torture-short torture-crash torture-power torture-faults torture-decay torture-backup torture-owners torture-overload torture-mutations torture-limits torture-soak torture-importing fuzz fuzz-corpora torture-stdio torture-undo torture-isolation tools check bench bench-peers bench-faces bench-pages bench-scale sbom dist dist-test eval model-multilingual cases certs acceptance clean ui-test

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-18s %s\n", $$1, $$2 }'

run: ## build, and serve on 127.0.0.1:3000 with ./data
	cargo build --release
	$(BINARY) serve

build: ## the release binary, and beside it the one with the conformance fixtures
	cargo build --release
	cargo build --release --example memoryd-fixtures

test: test-rust build test-clients test-conformance ui-test ## everything that needs no other machine; sets itself up under target/

test-rust: ## the Rust tests
	cargo test --release

# Three at a time on two cores, since they mostly wait for programs that start; WORKERS=0 has them one after the other.
AT_ONCE = -n $(or $(WORKERS),3) --dist loadgroup
test-clients: tools ## clients and assistants from npm and PyPI against the built binary
	PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider -q $(AT_ONCE) $(CLIENT_TESTS)
	# A run of its own, since it has a conftest.py of its own.
	PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider -q $(AT_ONCE) $(PYTHON_CLIENT)

# Against the binary that is there; figures of whole runs are in docs/RELIABILITY.md. ENCRYPTED=1 has the store encrypted, and
# SEED=2 makes another run of it.
MODE = $(if $(SEED),--seed $(SEED)) $(if $(ENCRYPTED),--encrypted)
torture: torture-crash torture-power torture-faults torture-decay torture-backup torture-owners torture-overload torture-importing torture-soak ## everything that attacks the server and its disk: hours

torture-short: ## for minutes what of it looks at content and not at times, as CI runs it
	$(TORTURE)/crash.py --bin $(BINARY) --rounds 15
	$(TORTURE)/crash.py --bin $(BINARY) --rounds 8 --encrypted
	$(TORTURE)/power.py --bin $(BINARY) --rounds 12 --each 6 --seconds 3
	$(TORTURE)/power.py --bin $(BINARY) --rounds 6 --each 3 --seconds 2 --encrypted
	$(TORTURE)/faults.py --bin $(BINARY) --quick
	$(TORTURE)/decay.py --bin $(BINARY) --flips 80 --others 50 --minds 4
	$(TORTURE)/decay.py --bin $(BINARY) --flips 15 --others 25 --minds 0 --encrypted
	$(TORTURE)/backup.py --bin $(BINARY) --memories 1000 --writes 100 --clients 8 --backups 5
	$(TORTURE)/owners.py --bin $(BINARY) --rounds 6
	$(TORTURE)/importing.py --bin $(BINARY) --megabytes 8
	$(TORTURE)/soak.py --bin $(BINARY) --minutes 1
	$(TORTURE)/overload.py --bin $(BINARY) --quick --only no_calls

torture-crash: ## 16 clients, killed a thousand times: every acknowledged effect is there
	$(TORTURE)/crash.py --bin $(BINARY) --rounds $(or $(ROUNDS),1000) $(MODE)

torture-power: ## the disk as a power cut leaves it, 300 times
	$(TORTURE)/power.py --bin $(BINARY) --rounds $(or $(ROUNDS),300) $(MODE)

torture-faults: ## a disk that fails at each call in turn, that is full, that turns read-only
	$(TORTURE)/faults.py --bin $(BINARY) $(if $(ENCRYPTED),--encrypted)

torture-decay: ## files that were flipped, cut, removed, swapped with older and foreign ones
	$(TORTURE)/decay.py --bin $(BINARY) $(MODE)

torture-backup: ## backups while others write: what is restored is one moment; MEMORIES=100000 WRITES=500
	$(TORTURE)/backup.py --bin $(BINARY) --memories $(or $(MEMORIES),100000) --writes $(or $(WRITES),500) $(MODE)

torture-owners: ## others come to the data of a running server, with and without its lock: one has it
	$(TORTURE)/owners.py --bin $(BINARY) --rounds $(or $(ROUNDS),200) $(MODE)

torture-overload: ## slow, idle, greedy and malformed clients, beside an honest one
	$(TORTURE)/overload.py --bin $(BINARY)

torture-mutations: ## COUNT=1000000 messages that are not quite right, half over HTTP, half over stdio; SEED=2 for others
	$(TORTURE)/overload.py --bin $(BINARY) --only mutations_http --only mutations_stdio --mutations $(or $(COUNT),1000000) $(if $(SEED),--seed $(SEED))

torture-limits: ## 1,000 at a time at a limit of 100, a million addresses, 100 changes of the certificate
	$(TORTURE)/overload.py --bin $(BINARY) --only limiter --only forwarded --only own_addresses --only swaps

torture-importing: ## files of 200 MB of other products: the reader takes no more than 64 MiB; MEGABYTES=20 ONLY=chatgpt
	$(TORTURE)/importing.py --bin $(BINARY) --megabytes $(or $(MEGABYTES),200) $(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED))

torture-soak: ## an hour at 200 requests a second: memory, files and times stay flat
	$(TORTURE)/soak.py --bin $(BINARY) --minutes $(or $(MINUTES),60) $(MODE)

fuzz: ## each reader of foreign bytes for MINUTES=10 minutes; needs a nightly toolchain and cargo-fuzz
	mkdir -p fuzz/corpus
	for target in $(FUZZ_TARGETS); do \
		test -d fuzz/corpus/$$target || tar -xzf fuzz/corpora/$$target.tar.gz -C fuzz/corpus || exit 1; \
		cargo +nightly fuzz run --fuzz-dir fuzz --target-dir $(OUT)/fuzz $$target -- \
			-max_total_time=$$(( $(or $(MINUTES),10) * 60 )) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 || exit 1; \
	done

fuzz-corpora: ## pack what the fuzzers found interesting, so that the next run begins with it
	for target in $(FUZZ_TARGETS); do \
		tar --sort=name --mtime=2026-01-01 --owner=0 --group=0 -czf fuzz/corpora/$$target.tar.gz -C fuzz/corpus $$target || exit 1; \
	done

torture-stdio: tools ## stdio clients and a server that come and go in every order, a hundred rounds
	PYTHONDONTWRITEBYTECODE=1 MEMORYD_SHARING_ROUNDS=100 $(VENV)/bin/python -m pytest -p no:cacheprovider -q $(CLIENT_TESTS)/test_sharing.py

torture-undo: ## a thousand random histories of two clients, of whom one is undone
	MEMORYD_HISTORIES=1000 cargo test --release --test e2e -- undo::of_random_histories

torture-isolation: ## a hundred thousand interleaved calls of 200 clients with equal ids
	MEMORYD_CALLS=100000 cargo test --release --test e2e -- isolation::

ui-test: ## the pages in Debian's Chromium, with screenshots under target/ui; needs the package chromium
	@if [ -x $(CHROMIUM) ]; then \
		$(MAKE) --no-print-directory $(UI_NPM)/.installed && \
		CHROMIUM=$(CHROMIUM) MEMORYD_BIN=$(abspath $(BINARY)) MEMORYD_UI_NPM=$(abspath $(UI_NPM)) \
			node --test --test-concurrency=2 tests/ui/*.test.mjs; \
	else echo "ui-test: there is no $(CHROMIUM), so no page was looked at; apt install chromium, or CHROMIUM=/path/to/it"; fi

$(UI_NPM)/.installed: tests/ui/package.json
	mkdir -p $(UI_NPM)
	cp tests/ui/package.json $(UI_NPM)/package.json
	npm install --prefix $(UI_NPM) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

test-conformance: tools ## the official MCP conformance suite, both eras
	$(VENV)/bin/python -B tests/conformance/run.py

schemathesis: $(VENV_SCHEMATHESIS)/.installed ## requests made out of /openapi.json, with every kind of credential; CASES=20000 for more of them
	python3 -B tests/schemathesis/run.py --bin $(BINARY) $(if $(CASES),--cases $(CASES)) $(if $(SEED),--seed $(SEED))

tools: $(VENV)/.installed $(VENV_MCPO)/.installed $(VENV_MEM0)/.installed $(NPM)/.installed $(DEBIAN)/.installed ## the packages of the tests, from PyPI, npm and Debian

$(VENV)/.installed: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	touch $@

# An environment of its own, since it needs older packages than the client of the tests.
$(VENV_MCPO)/.installed: $(CLIENT_TESTS)/mcpo.txt
	python3 -m venv $(VENV_MCPO)
	$(VENV_MCPO)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(CLIENT_TESTS)/mcpo.txt
	touch $@

# An environment of its own, since it brings far more than is used of it.
$(VENV_MEM0)/.installed: $(CLIENT_TESTS)/mem0.txt
	python3 -m venv $(VENV_MEM0)
	$(VENV_MEM0)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(CLIENT_TESTS)/mem0.txt
	touch $@

# Not among the tools, since nothing of `make test` needs it.
$(VENV_SCHEMATHESIS)/.installed: tests/schemathesis/requirements.txt
	python3 -m venv $(VENV_SCHEMATHESIS)
	$(VENV_SCHEMATHESIS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/schemathesis/requirements.txt
	touch $@

# Node and Bun themselves are packages, chosen by npm for the machine; no package's own script is run.
$(NPM)/.installed: $(CLIENT_TESTS)/package.json
	mkdir -p $(NPM)
	cp $(CLIENT_TESTS)/package.json $(NPM)/package.json
	npm install --prefix $(NPM) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

# Debian's packages are unpacked and not installed: that takes no root, and starts no service. The package lists are their
# own, since those of the system may be missing or too old. A program on the PATH does as well. Without one its tests fail.
$(DEBIAN)/.installed: APT = apt-get -qq -o Dir::State::Lists=$(abspath $(DEBIAN))/apt/lists -o Dir::Cache=$(abspath $(DEBIAN))/apt
$(DEBIAN)/.installed: $(CLIENT_TESTS)/debian.txt
	mkdir -p $(DEBIAN)/apt/lists/partial $(DEBIAN)/apt/archives/partial
	@missing=$$(while read -r package program; do command -v $$program >/dev/null || echo $$package; done < $<); \
	if [ -z "$$missing" ] || { cd $(DEBIAN) && $(APT) update && $(APT) download $$missing && ls *.deb | xargs -I{} dpkg-deb -x {} .; }; \
	then touch $(abspath $@); else echo "cannot be unpacked here, please install, or their tests fail:" $$missing; fi
	rm -rf $(DEBIAN)/apt $(DEBIAN)/*.deb

check: ## formatting, lints, and the rules about the source; before every commit
	cargo fmt --check
	cargo clippy --release --all-targets --all-features -- -D warnings
	# What is shipped has no features, and may have dead code that they hide.
	cargo clippy --release -- -D warnings
	cargo test --release --test tidy

# SQLite is asked to wait for the disk with the same call as memoryd. What cannot be built or installed is told and left out.
bench: ## the benchmarks, beside SQLite FTS5, and the tokens of answers; ARGS=--quick
	LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1 cargo build --release --manifest-path benches/reference/Cargo.toml --target-dir $(OUT)/reference \
		|| echo "bench: the reference could not be built"
	cargo bench --bench server -- $$(test ! -x $(REFERENCE) || echo --reference $(REFERENCE)) $(ARGS)
	@if command -v node >/dev/null && $(MAKE) --no-print-directory $(TOKENS)/.installed; \
	then node benches/tokens/tokens.mjs --bin $(BINARY) --modules $(TOKENS); \
	else echo "bench: no tokens were counted, that takes node and npm"; fi

bench-peers: ## memoryd beside memory servers from npm and PyPI, over stdio, in turns; ARGS="--rounds 5 --adds 200"
	cargo build --release
	# One that cannot be installed is told by the driver.
	-@$(MAKE) --no-print-directory $(PEERS_NPM)/.installed
	-@$(MAKE) --no-print-directory $(VENV_PEERS)/.installed
	python3 -B benches/peers/peers.py --bin $(BINARY) --npm $(PEERS_NPM) --venv $(VENV_PEERS) $(ARGS)

$(TOKENS)/.installed: benches/tokens/package.json
	mkdir -p $(TOKENS)
	cp benches/tokens/package.json $(TOKENS)/package.json
	npm install --prefix $(TOKENS) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

$(PEERS_NPM)/.installed: benches/peers/package.json
	mkdir -p $(PEERS_NPM)
	cp benches/peers/package.json $(PEERS_NPM)/package.json
	npm install --prefix $(PEERS_NPM) --ignore-scripts --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

# What is installed there loads an extension into SQLite, which not every Python can.
$(VENV_PEERS)/.installed: benches/peers/requirements.txt
	for python in python3 /usr/bin/python3; do \
		! $$python -c 'import sqlite3; sqlite3.Connection.enable_load_extension' 2>/dev/null || break; \
	done; $$python -m venv $(VENV_PEERS)
	$(VENV_PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --requirement benches/peers/requirements.txt
	touch $@

bench-faces: ## the time that storing takes through each face, beside the core tool
	cargo build --release
	python3 -B tools/faces/faces.py --bin $(BINARY)

bench-pages: ## the times and sizes of pages with MEMORIES=100000, the server on one core
	cargo build --release
	python3 -B tools/pages/pages.py --bin $(BINARY) $(if $(MEMORIES),--memories $(MEMORIES)) $(if $(SEED),--seed $(SEED))

bench-scale: ## a million memories, a thousand users, a machine of one core and 256 MB; ARGS="--only users"
	cargo build --release
	python3 -B benches/scale/scale.py --bin $(BINARY) $(ARGS)

sbom: ## target/memoryd.cdx.json, what the built binary is made of (CycloneDX), held against that binary
	python3 -B tools/sbom/sbom.py --out $(OUT)/memoryd.cdx.json --check $(BINARY)

dist: ## everything that is shipped, in target/packages: static binaries, .deb, image, bundle, recipes; ARM64=no leaves one out
	tools/dist/build.sh $(OUT)
	python3 -B tools/sbom/sbom.py --target $(TRIPLE) --out $(OUT)/memoryd.cdx.json --check $(OUT)/$(TRIPLE)/dist/memoryd
	rm -f $(OUT)/arm64/memoryd
	# 3 is said where this machine cannot, which is told and is no failure.
	test '$(ARM64)' = no || test "$$(uname -m)" = aarch64 || tools/dist/arm64.sh $(OUT)/arm64/memoryd $(OUT)/sid || test $$? = 3
	python3 -B tools/dist/dist.py --out $(PACKAGES) --owner $(OWNER) --sbom $(OUT)/memoryd.cdx.json \
		--$$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/') $(OUT)/$(TRIPLE)/dist/memoryd \
		$$(test ! -f $(OUT)/arm64/memoryd || echo --arm64 $(OUT)/arm64/memoryd)

dist-test: $(VENV)/.installed ## installs, runs, upgrades and removes what `make dist` made; what takes root or a program that is not here says so
	PYTHONDONTWRITEBYTECODE=1 $(VENV)/bin/python -m pytest -p no:cacheprovider -q -rs tests/dist

eval: ## recall on labelled sets: our own, and others where they are at hand
	cargo build --release
	python3 -B tools/recall/recall.py --bin $(BINARY) --dir tools/recall/data \
		$(if $(wildcard $(SHARED)/eval/data),--dir $(SHARED)/eval/data) \
		$(if $(wildcard $(SHARED)/eval/data/locomo-dev.json),--locomo $(SHARED)/eval/data/locomo-dev.json)

model-multilingual: ## a model that reads a hundred languages, for embedding.model_path, and its test
	tools/multilingual/run $(OUT)/multilingual $(OUT)/memoryd-multilingual.bin
	MEMORYD_MULTILINGUAL=$(abspath $(OUT))/memoryd-multilingual.bin cargo test --release -p memoryd-ranking --features multilingual-golden multilingual

cases: ## what public bug reports of this field showed, where the cases are at hand
	@if [ -f $(SHARED)/cases/run.py ]; then \
		cargo build --release && python3 -B $(SHARED)/cases/run.py --bin $(BINARY); \
	else \
		echo "cases: not run, there is no $(SHARED)/cases/run.py"; \
	fi

certs: ## a local CA and a server certificate in ./certs, also for NAMES="nas.lan 192.168.1.5"
	cargo build --release
	$(BINARY) certs $(foreach name,$(NAMES),--name '$(name)')

acceptance: ## the rows of tests/acceptance.txt against the release binary
	cargo build --release
	python3 -B tests/acceptance.py --bin $(BINARY)

clean: ## remove everything that was built or installed here
	rm -rf $(OUT)
