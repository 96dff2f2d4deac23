#!/bin/sh
# Installs what the clients for Node.js of deploy/clients need below build/clients, from their locks. The tests run the
# clients with it, and load nothing themselves. Does nothing where it matches the lock already. Arguments name some of the
# clients; without any it is for all.
set -eu
cd "$(dirname "$0")/../.."

fail() { printf 'clients: %s\n' "$*" >&2; exit 1; }

command -v node >/dev/null && command -v npm >/dev/null || fail "not installed: nodejs npm (on Debian: apt-get install nodejs npm)"
for name in ${*:-nodejs typescript}; do
    client=deploy/clients/$name
    where=build/clients/$name
    stamp=$where/node_modules/.stamp
    want=$(cat "$client/package.json" "$client/package-lock.json" "$client/.npmrc" | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null || true)" != "$want" ] || continue
    mkdir -p "$where"
    cp "$client/package.json" "$client/package-lock.json" "$client/.npmrc" "$where"
    printf 'clients: installing what deploy/clients/%s needs\n' "$name"
    (cd "$where" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    printf '%s\n' "$want" >"$stamp"
done
