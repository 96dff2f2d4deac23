#!/bin/sh
# Installs a program from PyPI into build/NAME, an environment of its own, because nothing of the project uses it. Does
# nothing when it is there. Usage: tool.sh PYTHON NAME VERSION
set -eu
cd "$(dirname "$0")/../.."

where=build/$2
stamp=$where/.stamp

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$3" ]; then
    exit 0
fi
"$1" -m venv "$where"
printf '%s: installing version %s\n' "$2" "$3"
"$where/bin/pip" install --quiet --disable-pip-version-check "$2==$3"
printf '%s\n' "$3" >"$stamp"
