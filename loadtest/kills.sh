#!/usr/bin/env bash
# Kills a working engine a hundred times and lets the far end judge it: the test of tests/engine.rs, larger and optimised.
#
#   loadtest/kills.sh [--json]      TANDEM_KILLS, TANDEM_KILL_LEADS and TANDEM_KILL_SEED change the run
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    "" | --json) ;;
    *) sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
export TANDEM_KILLS="${TANDEM_KILLS:-100}" TANDEM_KILL_LEADS="${TANDEM_KILL_LEADS:-100000}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "Building, then killing $TANDEM_KILLS times ..." >&2
if ! cargo test --release --locked --test engine killed -- --nocapture >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    exit 1
fi
# The test prints one line of figures; without it nothing was measured, whatever the exit code says.
if ! line=$(grep -E '^(test .* \.\.\. )?[0-9]+ kills, ' "$log"); then
    echo "The test printed no summary:" >&2
    tail -n 40 "$log" >&2
    exit 1
fi
line=${line##*... }
if [ "${1:-}" = --json ]; then
    pattern='^([0-9]+) kills, ([0-9]+) leads, ([0-9]+) numbers dialled, ([0-9]+) calls shown, ([0-9]+) outcomes acknowledged; '
    pattern+='ready after (.*) \(median\), (.*) \(longest\)$'
    [[ $line =~ $pattern ]] || { echo "An unknown summary: $line" >&2; exit 1; }
    printf '{"kills":%s,"leads":%s,"numbers_dialled":%s,"calls_shown":%s,"outcomes_acknowledged":%s,"ready_median":"%s","ready_longest":"%s"}\n' \
        "${BASH_REMATCH[@]:1}"
else
    echo "$line"
fi
