#!/bin/sh
# Installs DBOS, beside which the bench measures orders, into build/dbos: an environment of its own, because nothing of
# the project uses it. Does nothing when it is there. Usage: dbos.sh [PYTHON]
set -eu
cd "$(dirname "$0")/../.."

where=build/dbos
version=3.4.0
stamp=$where/.stamp

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$version" ]; then
    exit 0
fi
"${1:-python3}" -m venv "$where"
printf 'dbos: installing version %s\n' "$version"
"$where/bin/pip" install --quiet --disable-pip-version-check "dbos==$version"
printf '%s\n' "$version" >"$stamp"
