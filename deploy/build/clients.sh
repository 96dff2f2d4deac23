#!/bin/sh
# Installs what the Node.js client of deploy/clients needs into build/clients/nodejs, from its lock. The tests run the
# client with it, and load nothing themselves. Does nothing when it matches the lock already.
set -eu
cd "$(dirname "$0")/../.."

fail() { printf 'clients: %s\n' "$*" >&2; exit 1; }

client=deploy/clients/nodejs
where=build/clients/nodejs
stamp=$where/node_modules/.stamp

command -v node >/dev/null && command -v npm >/dev/null || fail "not installed: nodejs npm (on Debian: apt-get install nodejs npm)"
want=$(cat "$client/package.json" "$client/package-lock.json" "$client/.npmrc" | sha256sum)
if [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi
mkdir -p "$where"
cp "$client/package.json" "$client/package-lock.json" "$client/.npmrc" "$where"
printf 'clients: installing what the Node.js client needs\n'
(cd "$where" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
printf '%s\n' "$want" >"$stamp"
