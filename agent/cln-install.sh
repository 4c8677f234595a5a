#!/bin/sh
# Install cln-agent and register this server with CLN.
#   curl -fsSL @SERVER@/install/cln-install.sh | sh -s -- -k KEY
# Every file is checked against the checksums below before anything is installed.
set -eu

SERVER='@SERVER@'
AGENT_SHA256='@AGENT_SHA256@'
SERVICE_SHA256='@AGENT_SERVICE_SHA256@'
TIMER_SHA256='@AGENT_TIMER_SHA256@'
ROOT="${CLN_AGENT_ROOT:-}"
ROOT="${ROOT%/}"
KEY='' WAY='' COPY='' SKIP='' REMOVE=''

usage() {
    cat <<TEXT
usage: cln-install.sh -k KEY | -i [options]
  -k KEY, --key KEY     register with an activation key
  -i, --byip            register by the IP license of this server's address
  -c, --uninstall       unregister this server and remove the agent
  --copy                this server was copied from another one: a license of its own
  --serverurl URL       another CLN than $SERVER
  --skip-registration   install the agent only
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { printf 'cln-install: %s\n' "$*" >&2; exit 1; }

while [ $# -gt 0 ]; do
    case "$1" in
        -k|--key) [ $# -gt 1 ] || fail "$1 needs a key"; KEY=$2 WAY=key; shift ;;
        --key=*) KEY=${1#*=} WAY=key ;;
        -i|--byip) WAY=ip ;;
        -c|--uninstall) REMOVE=1 ;;
        --copy) COPY=--copy ;;
        --serverurl) [ $# -gt 1 ] || fail "$1 needs an address"; SERVER=${2%/}; shift ;;
        --serverurl=*) SERVER=${1#*=} SERVER=${SERVER%/} ;;
        --skip-registration) SKIP=1 ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; fail "unknown option $1" ;;
    esac
    shift
done

AGENT="$ROOT/usr/local/sbin/cln-agent"
UNITS="$ROOT/etc/systemd/system"
# In another root, such as an image that is being built, no service is started.
has_systemd() { [ -z "$ROOT" ] && [ -d /run/systemd/system ]; }

if [ -n "$REMOVE" ]; then
    [ -x "$AGENT" ] && "$AGENT" unregister || true
    has_systemd && systemctl disable --now cln-agent.timer >/dev/null 2>&1 || true
    rm -f "$AGENT" "$UNITS/cln-agent.service" "$UNITS/cln-agent.timer"
    say "cln-agent is removed."
    exit 0
fi

[ -n "$WAY$SKIP" ] || { usage >&2; fail "how should this server be registered? -k KEY or -i"; }
[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || fail "run it as root"
command -v sha256sum >/dev/null 2>&1 || fail "sha256sum is missing"

PYTHON=''
for candidate in /usr/bin/python3 /usr/libexec/platform-python "$(command -v python3 || true)"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] \
        && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
        PYTHON=$candidate
        break
    fi
done
[ -n "$PYTHON" ] || fail "Python 3.6 or later is missing"

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT INT TERM

fetch() { # name checksum
    if command -v curl >/dev/null 2>&1; then
        curl -fsS -o "$WORK/$1" "$SERVER/install/$1" || fail "$SERVER/install/$1 cannot be fetched"
    else
        wget -q -O "$WORK/$1" "$SERVER/install/$1" || fail "$SERVER/install/$1 cannot be fetched"
    fi
    printf '%s  %s\n' "$2" "$WORK/$1" | sha256sum -c - >/dev/null 2>&1 \
        || fail "$1 is not the file this installer was made for; nothing was installed"
}

fetch cln-agent "$AGENT_SHA256"
fetch cln-agent.service "$SERVICE_SHA256"
fetch cln-agent.timer "$TIMER_SHA256"

mkdir -p "$ROOT/usr/local/sbin" "$UNITS"
# Some systems have Python 3 under another name only.
sed "1s|.*|#!$PYTHON|" "$WORK/cln-agent" > "$AGENT.new"
chmod 755 "$AGENT.new"
mv "$AGENT.new" "$AGENT"
for unit in cln-agent.service cln-agent.timer; do
    cp "$WORK/$unit" "$UNITS/$unit"
    chmod 644 "$UNITS/$unit"
done
say "cln-agent is installed: $AGENT"

if [ -z "$SKIP" ]; then
    if [ "$WAY" = ip ]; then
        "$AGENT" register --ip $COPY --server "$SERVER"
    else
        # The key goes by the environment: arguments can be read by every user.
        CLN_KEY="$KEY" "$AGENT" register $COPY --server "$SERVER"
    fi
    # The console waits for a first word; the server's own minute may be hours away.
    if "$AGENT" check-in >/dev/null; then
        say "It has checked in: the console shows it now."
    else
        say "The first check-in failed; the next one comes by itself."
    fi
fi
if has_systemd; then
    systemctl daemon-reload
    systemctl enable --now cln-agent.timer
    say "It checks in by itself: systemctl list-timers cln-agent.timer"
fi
