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
    cargo run --release --locked -- run pipelines/selection.yaml {{ARGS}}

# Throughput of the cache and the speed of the world's renderer.
bench:
    cargo bench -p ccsr-cache
    cargo run --release -p ccsr-world --example render_speed

# Networks beside PyTorch (benches/README.md says what it needs).
networks PYTHON WORK:
    cargo build --release --locked --example networks -p ccsr-stages
    {{PYTHON}} benches/networks.py --work {{WORK}}

# A detector beside ultralytics, and a step of training beside peft (benches/README.md says what they need).
detector PYTHON WORK:
    cargo build --release --locked --example detector -p ccsr-yolo-world
    YOLO_AUTOINSTALL=false {{PYTHON}} benches/detector.py --work {{WORK}}

training PYTHON WORK:
    cargo build --release --locked --example step -p ccsr-training
    {{PYTHON}} benches/training.py --work {{WORK}}

# Language models beside llama.cpp and PyTorch (benches/README.md says what it needs).
language PYTHON WORK:
    cargo build --release --locked --example language -p ccsr-stages
    {{PYTHON}} benches/language.py --work {{WORK}}

# Kernels through WebGPU, on Mesa's lavapipe where there is no card (mesa-vulkan-drivers, libvulkan1).
wgpu:
    cargo test -p ccsr-nn --features wgpu --locked -- --test-threads 1 gpu::

# The networks on an NVIDIA card: kernels beside the CPU, then whole networks beside PyTorch, as a table to report.
cuda-acceptance PYTHON WORK:
    cargo test --release -p ccsr-nn --features cuda --locked -- --test-threads 1 gpu::
    cargo build --release --locked --example networks -p ccsr-stages --features cuda
    {{PYTHON}} benches/networks.py --device cuda --work {{WORK}}
