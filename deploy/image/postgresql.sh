#!/bin/sh
# Makes PostgreSQL's data where there are none, with a role and a database of its own for each name in DATABASES, and
# then becomes the server. The data are $PGDATA.
set -eu

settings=${SETTINGS_DIRECTORY:-/etc/crossregion}

if [ ! -e "$PGDATA" ]; then
    # Elsewhere first, so that what a kill leaves half made is never taken for a database.
    rm -rf "$PGDATA.making"
    initdb --pgdata="$PGDATA.making" --username=postgres --auth=reject --data-checksums \
        --encoding=UTF8 --locale=C --no-instructions >/dev/null
    # One SQL statement a line, as the single-user mode has it: the server is not reachable meanwhile.
    for name in $DATABASES; do
        printf 'CREATE ROLE "%s" LOGIN\n' "$name"
        printf 'CREATE DATABASE "%s" OWNER "%s" TEMPLATE template0\n' "$name" "$name"
        printf 'REVOKE ALL ON DATABASE "%s" FROM PUBLIC\n' "$name"
    done | postgres --single -D "$PGDATA.making" postgres >/dev/null
    mv "$PGDATA.making" "$PGDATA"
fi

exec postgres -D "$PGDATA" -c config_file="$settings/postgresql.conf" -c hba_file="$settings/pg_hba.conf" \
    -c ident_file="$PGDATA/pg_ident.conf" -c unix_socket_directories=/tmp "$@"
