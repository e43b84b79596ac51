#!/usr/bin/env bash
# Prints the tables of docs/performance.md: a scan of real libraries against
# other tools, and a listing against TVM's as_text().
#
# Needs ripgrep and llvm-nm on the PATH, and the parts that `tools/parts.py`
# fetches. The first run over the tree only warms the cache.
#
# usage: benches/compare.sh [RUNS]
set -euo pipefail
cd "$(dirname "$0")/.."
runs="${1:-11}"
parts="${ARTCHECK_PARTS:-${XDG_CACHE_HOME:-$HOME/.cache}/artcheck/parts}"
tree="$parts/bench-tree"

# The libraries of every wheel, as hard links: no second copy on the disk.
rm -rf "$tree"
mkdir -p "$tree"
(
  cd "$parts/unpacked"
  find . -type f -not -path '*.dSYM*' \
    \( -name '*.so' -o -name '*.dylib' -o -name '*.dll' -o -name '*.pyd' -o -name '*.lib' \) \
    -exec cp --link --parents --target-directory "$tree" {} +
)
cat $(find "$tree" -type f) > /dev/null

cargo build --release --locked --bin artcheck
python3 benches/compare.py target/release/artcheck "$tree" "$parts/venv/tools/bin/python" "$runs"

echo
echo "as_text() of the loaded module, median of 200 (microseconds, characters):"
for version in 0.25 0.26 0.27; do
  library="corpus/artifacts/tvm-$version/hybrid-cpu-x86_64.so"
  echo "  TVM $version: $("$parts/venv/tvm-$version/bin/python" benches/as_text.py "$library")"
done
cargo bench --locked -p artcheck-inspect --bench speed -- list_largest
