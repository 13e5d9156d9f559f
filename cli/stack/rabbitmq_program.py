"""How RabbitMQ is run here: the program on the machine, else Docker."""

import os
import shutil
import subprocess
from pathlib import Path

IMAGE = "rabbitmq:4.2-management"  # below 4.3, which refuses the queues that helyOS agents declare

# Debian's wrapper in the path changes user and fails on private folders; its library folder has the plain script.
# Homebrew's folders are not always in the path.
_PLACES = [
    Path("/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Path("/opt/homebrew/sbin/rabbitmq-server"),
    Path("/usr/local/sbin/rabbitmq-server"),
]


def find_server() -> str | None:
    """The server script on this machine."""
    return next((str(place) for place in _PLACES if place.exists()), None) or shutil.which("rabbitmq-server")


def find_epmd() -> str | None:
    """Erlang's port mapper: in the path, or in Erlang's own folder where only `erl` is linked (Homebrew)."""
    if program := shutil.which("epmd", path=f"{os.environ.get('PATH', '')}:/opt/homebrew/bin:/usr/local/bin"):
        return program
    return next((str(path) for path in Path("/usr/lib/erlang").glob("erts-*/bin/epmd")), None)


def docker_works() -> bool:
    """Whether a Docker daemon answers."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def config(*, host: str, amqp: int, management: int, mqtt: int, loopback_only: bool = True) -> str:
    """The node's configuration as Erlang terms: spares the boot the translation of rabbitmq.conf (2 s)."""
    loopback_users = '<<"guest">>' if loopback_only else ""
    return f"""[
 {{rabbit, [
   {{tcp_listeners, [{{"{host}", {amqp}}}]}},
   %% keepalive: the connection of an agent that lost its network is closed, and with it its queues
   {{tcp_listen_options, [{{backlog, 1024}}, {{nodelay, true}}, {{keepalive, true}}, {{linger, {{true, 0}}}},
                         {{exit_on_close, false}}]}},
   {{loopback_users, [{loopback_users}]}},
   {{collect_statistics_interval, 10000}},
   %% every helyOS agent declares such a queue; RabbitMQ 4.3 and later refuse them all the same
   {{permit_deprecated_features, #{{transient_nonexcl_queues => true}}}}]}},
 {{kernel, [{{inet_dist_use_interface, {{127,0,0,1}}}}]}},
 {{rabbitmq_management, [{{tcp_config, [{{ip, "{host}"}}, {{port, {management}}}]}}]}},
 {{rabbitmq_mqtt, [{{tcp_listeners, [{{"{host}", {mqtt}}}]}},
                  {{exchange, <<"xchange_helyos.agents.mqtt">>}}]}}
].
"""
