#!/bin/sh
# Writes the files of a release of the commit at hand into a folder: release.sh PYTHON FOLDER
# PYTHON is that of the project's environment, whose setuptools builds the wheel. What is not committed is left out.
# Packages are downloaded the first time, each against the hash of its lock. The same commit gives the same files.
set -eu
cd "$(dirname "$0")/../.."

python=$1
folder=$2
work=build/release
say() { printf 'release: %s\n' "$*"; }

# Makes an environment of locked packages: environment LOCK NAME. Does nothing while the lock is the same.
environment() {
    want=$({ "$python" --version; cat "$1"; } | sha256sum)
    [ "$(cat "$work/$2.stamp" 2>/dev/null || true)" = "$want" ] && return
    say "installing $2"
    rm -rf "${work:?}/$2"
    "$python" -m venv --without-pip "$work/$2"
    "$python" -m pip --disable-pip-version-check --no-input --quiet --python "$work/$2/bin/python" install \
        --only-binary :all: --require-hashes --requirement "$1"
    printf '%s\n' "$want" >"$work/$2.stamp"
}

mkdir -p "$work" "$folder"
rm -rf "${work:?}/source"
mkdir "$work/source"
git archive HEAD | tar -x -C "$work/source"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

"$python" deploy/image/runtime_lock.py "$work/source/pyproject.toml" "$work/source/requirements.lock" \
    >"$folder/runtime.lock"
environment "$folder/runtime.lock" packages
environment deploy/release/tools.lock tools

rm -f "$folder"/*.whl
"$python" -m deploy.release.client "$work/source" "$work/client"
"$python" -m pip --disable-pip-version-check --no-input --quiet wheel --no-deps --no-index --no-build-isolation \
    --wheel-dir "$folder" "$work/source" "$work/client"

say "describing the packages"
"$work/tools/bin/cyclonedx-py" environment --output-reproducible --short-PURLs --of JSON \
    --pyproject "$work/source/pyproject.toml" --output-file "$folder/sbom.cdx.json" "$work/packages/bin/python"
"$python" -m deploy.release.licences "$folder/sbom.cdx.json" >"$folder/licences.txt"

# Without an answer of the service, nothing is known of vulnerabilities, and the release says so.
say "asking for known vulnerabilities"
"$python" -m deploy.release.vulnerabilities "$work/tools/bin/pip-audit" "$folder/runtime.lock"

(cd "$folder" && sha256sum -- *.whl runtime.lock sbom.cdx.json licences.txt >SHA256SUMS)
say "written into $folder:"
cat "$folder/SHA256SUMS"
