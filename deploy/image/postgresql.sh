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
    # By the single-user mode: the server is not reachable meanwhile.
    sh "$(dirname "$0")/databases.sh" | postgres --single -D "$PGDATA.making" postgres >/dev/null
    mv "$PGDATA.making" "$PGDATA"
fi

exec postgres -D "$PGDATA" -c config_file="$settings/postgresql.conf" -c hba_file="$settings/pg_hba.conf" \
    -c ident_file="$PGDATA/pg_ident.conf" -c unix_socket_directories=/tmp "$@"
