# The lines of .ci/run, one by one. `just` lists them.

_default:
    @just --list

# The quick loop.
test *ARGS:
    cargo nextest run --workspace {{ARGS}}

# Everything that CI runs.
ci:
    .ci/run

format:
    cargo fmt --all

lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# The main job.
elephant *ARGS:
    cargo run --release --locked -- run pipelines/elephant.yaml {{ARGS}}

# Throughput of the cache and the speed of the world's renderer.
bench:
    cargo bench -p ccsr-cache
    cargo run --release -p ccsr-world --example render_speed
