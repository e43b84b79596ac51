#!/usr/bin/env bash
# Gates an mlc-llm-style build: everything below dist/ against artcheck.toml.
#
#   dist/libs/MODEL-QUANTIZATION-DEVICE.so    what `mlc_llm compile` writes
#   dist/MODEL-QUANTIZATION-MLC/              what `mlc_llm convert_weight` and `gen_config` write
#
# Usage: gate.sh [DIST]     ARTCHECK names the program, if not `artcheck`
set -uo pipefail
dist=${1:-dist}
artcheck=${ARTCHECK:-artcheck}

format=human
if [ -n "${GITHUB_ACTIONS:-}" ]; then format=github; fi

"$artcheck" scan "$dist" --format "$format" \
  --output sarif=artcheck.sarif \
  --output junit=artcheck.xml \
  --output markdown=artcheck.md \
  --output html=artcheck.html
status=$?

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then cat artcheck.md >> "$GITHUB_STEP_SUMMARY"; fi
case $status in
  0) echo "gate: open" >&2 ;;
  1) echo "gate: closed, see artcheck.html" >&2 ;;
  3) echo "gate: closed, nothing was built below $dist" >&2 ;;
  4) echo "gate: closed, something could not be decided" >&2 ;;
  *) echo "gate: broken, see the message above" >&2 ;;
esac
exit $status
