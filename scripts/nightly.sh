#!/usr/bin/env bash
# Everything that takes too long for every change: the slow tests, a million acts on the exchange, proofs, analysis, mutants, coverage.
# Reports go to reports/; the exit status is that of the first step that failed.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p reports
python3 scripts/up.py toolchain || exit 1
code=0
step() {
    local name="$1"
    shift
    echo "• $name"
    "$@" >"reports/$name.log" 2>&1 || { code=${code/#0/$?}; echo "✗ $name: see reports/$name.log"; }
}
step nightly .venv/bin/python scripts/assure.py nightly
step proofs .venv/bin/python scripts/assure.py proofs
step slither .venv/bin/python scripts/assure.py slither
step mutants .venv/bin/python scripts/assure.py mutants
step coverage .venv/bin/python scripts/assure.py coverage
step slow .venv/bin/python -m pytest -m slow -q
exit "$code"
