# The handful of commands. What they need besides Rust is installed into .tools/ on first use.
.DEFAULT_GOAL := help
.PHONY: help run test lint proto bench soak

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Serve, with every default
	cargo run --release -- serve

# --all-targets runs the benches too, in the dev profile and without --bench on their command line:
# they then measure for two seconds, only to prove that they still run, and the soak counts what four short runs bring.
# It leaves the doc tests out. Every promise is tested over a log in memory, and then over one in a directory.
# The seeds are fixed: a change passes or fails by what it changes. make soak looks where nobody has looked.
test: export PROPTEST_RNG_SEED ?= 1
test: export ERIC_POWER_SEED ?= 1
test: ## Everything that must pass: units, promises, a browser, others' tools and clients, benches and soak for a moment, doc tests
	grpcurl=$$(scripts/tool grpcurl) && new=$$(scripts/tool eric-sse) && old=$$(scripts/tool eric-sse-0.7) && \
		python=$$(scripts/tool python) && browser=$$(scripts/tool browser) && \
		export ERIC_GRPCURL=$$grpcurl ERIC_PYTHON=$$python ERIC_BROWSER=$$browser \
		ERIC_SSE_PYTHON=$$new ERIC_SSE_OLD_PYTHON=$$old && cargo test --all-targets && \
		ERIC_TEST_LOG=directory cargo test --test promises
	cargo test --doc

# What is quick comes first.
lint: ## Format, contract, lints and documentation, without a warning
	cargo fmt --check
	buf=$$(scripts/tool buf) && $$buf lint proto && $$buf format proto --diff --exit-code
	scripts/proto check
	scripts/typescript
	cargo clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps

proto: ## Regenerate what comes from proto/; refuses a change that breaks clients
	scripts/proto write

# Not plain 'cargo bench': that also builds every unit test with the slow profile, and runs none of them.
# Without nats-server, or nginx with Nchan, their rows are left out.
bench: ## Measure, in the release profile (BENCH='--only "on disk" --repetitions 9')
	nats=$$(scripts/tool nats-server || true); nchan=$$(scripts/tool nchan || true); \
		ERIC_NATS_SERVER=$$nats ERIC_NCHAN=$$nchan cargo bench --bench speed -- $(BENCH)

# In the dev profile, whose checks of arithmetic stay on. Most of an hour: thousands of random lives against the model, and
# as many of a log whose power is cut, then in memory, over a directory, and over one whose server is killed, about once a
# second.
soak: ## Try random lives, cut the power, and count every message of long wild runs, with crashes (SOAK='--kills 600 --seed 1': that one run)
	$(if $(SOAK),,PROPTEST_CASES=$(or $(PROPTEST_CASES),4000) cargo test --lib lives::)
	$(if $(SOAK),,ERIC_POWER_CYCLES=$(or $(ERIC_POWER_CYCLES),2000) cargo test --lib power::)
	cargo test --bench soak -- $(or $(SOAK),--seconds 180)
	$(if $(SOAK),,cargo test --bench soak -- --seconds 60 --directory)
	$(if $(SOAK),,cargo test --bench soak -- --kills 300)
