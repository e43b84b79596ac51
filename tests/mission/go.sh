#!/usr/bin/env bash
# Every row of matrix/full_size.toml on this machine's GPU, beside eager PyTorch and TVM's
# Python loop. What is done stays in RESULTS whenever this is stopped. See tests/mission/cuda.
#
#     go.sh [RESULTS] [SECONDS]      # SECONDS: no step begins after this many (420)
set -u
kit=$(cd "$(dirname "$0")" && pwd)
results=$(realpath -m "${1:-${OUT:-$kit/results}}")
limit=${2:-420}
mkdir -p "$results"
export ARTCHECK_FULL_SIZE=$kit/full ARTCHECK_RUNTIME=$kit/site
export LD_LIBRARY_PATH=$kit/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PYTHONPATH=$kit/site TVM_USE_RUNTIME_LIB=1 PYTHONDONTWRITEBYTECODE=1
cd "$kit"
[ -f artcheck ] || python3 -c 'import lzma, shutil; shutil.copyfileobj(lzma.open("artcheck.xz"), open("artcheck", "wb"))'
chmod +x artcheck

late() { [ "$SECONDS" -ge "$limit" ] && echo "$1: left out, $SECONDS s have passed" | tee -a "$results/log"; }
step() { # NAME COMMAND...: runs it, notes time and status
  local name=$1 begin=$SECONDS; shift
  late "$name" && return 1
  timeout $((limit + 60 - SECONDS)) "$@" >>"$results/log" 2>&1
  local status=$?
  echo "$name: status $status, $((SECONDS - begin)) s" | tee -a "$results/log"
  return $status
}

{ date -u; nvidia-smi --query-gpu=name,driver_version --format=csv,noheader; ./artcheck --version; } \
  2>&1 | tee "$results/log"

# file, configuration, dtype
while read -r file config dtype; do
  [ -f "full/tvm-0.26/$file-cuda-x86_64.so" ] || continue
  step "$file: reference" env -u PYTHONPATH bash -c "python3 corpus/reference/full_size.py full/$file.json \
    --config $config --dtype $dtype --prompt-tokens 64 --steps 64 | tee -a '$results/torch.jsonl'" || continue
  step "$file: rows" ./artcheck verify matrix/full_size.toml --device cuda --only "$file" --only "${config}-cuda" \
    --format human --output "json=$results/$file.json" --output "human=$results/$file.txt"
  cat "$results/$file.txt" 2>/dev/null
done <<'MODELS'
qwen3-0.6b-q4 qwen3-0.6b q4f16_1
qwen3-0.6b-f16 qwen3-0.6b float16
qwen3.5-0.8b-q4 qwen3.5-0.8b q4f16_1
bge-m3-f16 bge-m3 float16
qwen3-8b-q4 qwen3-8b q4f16_1
qwen3.5-2b-q4 qwen3.5-2b q4f16_1
qwen3.5-4b-q4 qwen3.5-4b q4f16_1
qwen3.5-9b-q4 qwen3.5-9b q4f16_1
MODELS

# TVM's Python loop in turn with verify, on the smaller ones.
for file in qwen3-0.6b-q4 qwen3.5-0.8b-q4; do
  [ -f "full/$file.json" ] || continue
  step "$file: loops" bash -c "python3 corpus/reference/compare_loops.py $kit/artcheck $kit/site \
    $kit/full/tvm-0.26/$file-cuda-x86_64.so $kit/full/$file.json#0 --entry batch --pairs 5 \
    --model $file | tee -a '$results/loops.jsonl'"
done
python3 table.py "$results" | tee "$results/table.md"
