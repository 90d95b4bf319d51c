#!/usr/bin/env bash
# Gives each target ten million inputs: first, for some minutes, such as libFuzzer chooses for the
# code that they reach, then random changes to those, at full speed.
#
#   fuzz/run.sh [SECONDS [INPUTS [TARGET...]]]       600 seconds and 10,000,000 inputs each, by default
#
# Needs `cargo install cargo-fuzz` and a C++ compiler. What makes a target panic is kept in
# fuzz/artifacts/ or named; mend it, and add the input to fuzz/corpus/. Inputs that reached something
# new are kept in fuzz/found/ and read the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-600}
inputs=${2:-10000000}
targets=("${@:3}")
if [ ${#targets[@]} -eq 0 ]; then targets=(front_end sweeps tables records ledger checkpoints); fi

for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    # libFuzzer's instrumentation is a flag of the compiler that stable ones have, too; the
    # sanitizers are not, and have nothing to find in code without `unsafe`.
    RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir fuzz --release --debug-assertions --sanitizer none \
        --features libfuzzer "$target" "fuzz/found/$target" "fuzz/corpus/$target" \
        -- -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=4096
    cargo run --release -p ccsr-fuzz --example millions -- "$target" "$inputs"
done
