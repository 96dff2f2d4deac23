#!/bin/sh
# Installs the servers that the demo, the tests and the bench start for themselves: Debian's packages of them, and
# only those whose programs are missing. Usage: services.sh [etcd] [postgresql] [nginx] [promtool] [restic] [softhsm2] [patroni] [chromium]; without names, the first two.
# Ends with 1, and names the packages, where it may not install or cannot.
set -eu

say() { printf 'services: %s\n' "$*"; }
fail() { printf 'services: %s\n' "$*" >&2; exit 1; }

is_there() {
    case $1 in
        etcd) command -v etcd >/dev/null ;;
        postgresql) ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null ;;
        promtool) command -v promtool >/dev/null ;;
        restic) command -v restic >/dev/null ;;
        softhsm2) command -v softhsm2-util >/dev/null ;;
        patroni) command -v patroni >/dev/null ;;
        chromium) command -v chromium >/dev/null && command -v pk12util >/dev/null && ls /usr/share/fonts/truetype/wqy/*.ttc >/dev/null 2>&1 ;;
        nginx) command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] ;;
        *) fail "no service is called $1" ;;
    esac
}

package_of() {
    case $1 in
        chromium) echo chromium fonts-wqy-microhei libnss3-tools ;;  # pages are in Chinese, a browser has certificates
        etcd) echo etcd-server ;;
        nginx) echo nginx-light ;;
        patroni) echo patroni python3-etcd ;;
        promtool) echo prometheus ;;
        *) echo "$1" ;;
    esac
}

unit_of() {
    case $1 in
        promtool) echo prometheus ;;
        chromium | restic | softhsm2) ;;  # no server
        *) echo "$1" ;;
    esac
}

# The packages' own servers would take the well-known ports, now and at every start of the machine.
keep_down() {
    if [ -d /run/systemd/system ]; then
        systemctl --quiet disable --now "$1"
    else
        update-rc.d "$1" disable
    fi
}

[ $# -gt 0 ] || set -- etcd postgresql
missing=""
packages=""
for service in "$@"; do
    if ! is_there "$service"; then
        missing="$missing $service"
        packages="$packages $(package_of "$service")"
    fi
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "not installed:$missing (on Debian, as root: apt-get install$packages)"
fi

# Two test workers find the same program missing at the same time.
if command -v flock >/dev/null && [ -z "${SERVICES_LOCKED:-}" ]; then
    SERVICES_LOCKED=1 exec flock /run/lock/crossregion-services.lock sh "$0" "$@"
fi

policy=/usr/sbin/policy-rc.d
log=$(mktemp)
own_policy=""
trap 'rm -f "$log" $own_policy' EXIT
if [ ! -e "$policy" ]; then
    own_policy=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"  # "action forbidden by policy": nothing is started
    chmod 755 "$policy"
fi
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/crossregion.conf

say "installing$packages"
apt-get -qq update >"$log" 2>&1 || say "the package lists could not be updated; trying with those at hand"
# shellcheck disable=SC2086 # a list of names
if ! DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $packages >"$log" 2>&1; then
    cat "$log" >&2
    fail "could not install$packages"
fi
for service in $missing; do
    is_there "$service" || fail "$service is still missing after installing $(package_of "$service")"
    unit=$(unit_of "$service")
    [ -n "$unit" ] || continue
    keep_down "$unit" >"$log" 2>&1 || { cat "$log" >&2; fail "could not keep the package's own $service down"; }
done
say "done"
