#!/bin/sh
# RabbitMQ where the machine has none. The stack runs a private node of its own: a broker that this script brings
# to the machine is never started as a service (it would hold port 5672); one that was there is left alone.
set -eu

have() { command -v "$1" >/dev/null 2>&1; }
found() {
    have rabbitmq-server || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ||
        [ -x /opt/homebrew/sbin/rabbitmq-server ] || [ -x /usr/local/sbin/rabbitmq-server ]
}

with_apt() {
    sudo=
    if [ "$(id -u)" != 0 ]; then
        have sudo || return 1
        sudo=sudo
    fi
    echo "Installing RabbitMQ with apt …"
    # Debian asks this file whether a service may be started after its installation.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null || return 1
        $sudo chmod 755 $policy
        trap '$sudo rm -f $policy' EXIT
        trap 'exit 130' INT TERM
    fi
    log=$(mktemp)
    if ! { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends rabbitmq-server; } >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    # Nor at the next boot of the machine.
    if have systemctl; then $sudo systemctl disable rabbitmq-server; else $sudo update-rc.d rabbitmq-server disable; fi \
        >/dev/null 2>&1 || true
}

with_brew() {
    echo "Installing RabbitMQ with brew …"
    HOMEBREW_NO_AUTO_UPDATE=1 brew install --quiet rabbitmq
}

if [ -n "${MUSTER_AMQP_URL:-}" ] || found; then exit 0; fi
if have apt-get && with_apt && found; then exit 0; fi
if have brew && with_brew && found; then exit 0; fi
if have docker && docker info >/dev/null 2>&1; then
    echo "RabbitMQ will run in Docker."
    exit 0
fi
cat >&2 <<'END'
RabbitMQ is missing, and it could not be installed with apt (as root or with sudo) or brew, nor does Docker answer.
Install RabbitMQ 3.10 or later or Docker, or give a broker's address in MUSTER_AMQP_URL; then run this again.
END
exit 1
