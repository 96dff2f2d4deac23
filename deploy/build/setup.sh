#!/bin/sh
# Makes the virtual environment from requirements.lock, with hashes, and installs this project into it.
# Usage: setup.sh PYTHON VENV. Does nothing when the environment already matches.
set -eu

python=$1
venv=$2

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# Everything whose change makes the environment stale, the names of the project's own packages included:
# an editable install maps only the packages that it found.
fingerprint() {
    pwd
    "$python" --version
    ls gateway/__init__.py region_node/__init__.py coordinator/__init__.py deploy/__init__.py 2>/dev/null || true
    cat requirements.lock pyproject.toml deploy/build/setup.sh
}

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

# Debian ships venv and ensurepip apart from python3.
install_venv_package() {
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$python has no venv module; install it (on Debian: apt-get install $package) and try again"
    fi
    say "installing $package"
    log=$(mktemp)
    if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$package"; } >"$log" 2>&1; then
        cat "$log" >&2
        fail "could not install $package"
    fi
    rm -f "$log"
    has_venv || fail "$python still has no venv module after installing $package"
}

command -v "$python" >/dev/null || fail "$python not found; install Python 3.11 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than Python 3.11; set PYTHON"

# Two makes at once must not write the same environment.
mkdir -p build
if command -v flock >/dev/null && [ -z "${SETUP_LOCKED:-}" ]; then
    SETUP_LOCKED=1 exec flock "build/setup.lock" sh "$0" "$@"
fi

stamp=$venv/setup.stamp
want=$(fingerprint | sha256sum)
if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

rm -f "$stamp"
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
if ! "$venv/bin/python" -c "import sys, pip; sys.exit('%d.%d.%d' % sys.version_info[:3] != '$version')" 2>/dev/null; then
    has_venv || install_venv_package
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
say "installing the locked packages into $venv (Python $version; a minute or so the first time)"
pip="$venv/bin/python -m pip --disable-pip-version-check --no-input --quiet"
$pip install --require-hashes -r requirements.lock
$pip install --no-deps --no-build-isolation -e .
printf '%s\n' "$want" >"$stamp"
say "done"
