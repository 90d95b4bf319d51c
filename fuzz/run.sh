#!/usr/bin/env bash
# Gives the targets ten million inputs each (or as many as the first argument says), chosen by
# libFuzzer for the code that they reach. Needs `cargo install cargo-fuzz` and a C++ compiler.
#
#   fuzz/run.sh [INPUTS] [TARGET...]
#
# What makes a target panic is kept in fuzz/artifacts/; mend it, and add the input to fuzz/corpus/.
# Inputs that reached something new are kept in fuzz/found/, and read the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

inputs=${1:-10000000}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then targets=(front_end sweeps tables records ledger); fi

# libFuzzer's instrumentation is a flag of the compiler that stable ones have, too; the sanitizers
# are not, and have nothing to find in code without `unsafe`.
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    mkdir -p "fuzz/found/$target"
    cargo fuzz run --fuzz-dir fuzz --release --debug-assertions --sanitizer none --features libfuzzer "$target" \
        "fuzz/found/$target" "fuzz/corpus/$target" \
        -- -runs="$inputs" -max_len=4096 -timeout=10 -rss_limit_mb=4096 -print_final_stats=1
done
