"""A RabbitMQ node of our own, with management and MQTT, on loopback; never a broker that someone else started."""

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import httpx

from .part import PartFailed, wait_until_ready
from .processes import Child, Processes
from .rabbitmq_program import IMAGE, config, docker_works, find_epmd, find_server

LOGIN = "guest:guest"  # RabbitMQ's own default, which it accepts from loopback only


class RabbitMQ:
    """The server script with everything it writes in our folder, and an Erlang port mapper of its own."""

    label: ClassVar[str] = "RabbitMQ"
    remedy: ClassVar[str] = "Mend what the log says, or give a broker's address in MUSTER_AMQP_URL."
    ports: Mapping[str, int] = {
        **{"amqp": 5672, "amqp_management": 15672, "mqtt": 1883},
        **{"erlang": 0, "epmd": 0},
    }

    def __init__(self, data_dir: Path, processes: Processes, *, disposable: bool) -> None:
        self._folder = data_dir / "rabbitmq"
        self._processes, self._disposable = processes, disposable
        self.url = self.management_url = self.mqtt_url = ""

    async def start(self, ports: Mapping[str, int]) -> str:
        """Start it and wait until it takes AMQP connections."""
        server, epmd = find_server(), find_epmd()
        self._folder.mkdir(exist_ok=True)
        management_url = f"http://{LOGIN}@127.0.0.1:{ports['amqp_management']}"
        port: int | None = ports["amqp"]
        if server and epmd:
            child = await self._start_node(server, epmd, ports)
        elif await asyncio.to_thread(docker_works):
            child = await self._start_container(ports)
            port = None  # held by Docker, not by our child
        else:
            raise PartFailed(
                self.label,
                "is not on this machine, and Docker does not answer.",
                remedy="Run `make setup` (it installs RabbitMQ with apt or brew), or install RabbitMQ or Docker, "
                "or give a broker's address in MUSTER_AMQP_URL.",
            )

        async def serves() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False) as http:
                    answer = await http.get(f"{management_url}/api/overview")
            except httpx.HTTPError:
                return False
            # The AMQP listener is the last thing to come up.
            return answer.status_code == 200 and any(
                listener["protocol"] == "amqp" for listener in answer.json().get("listeners", [])
            )

        await wait_until_ready(RabbitMQ, child, serves, port=port, timeout=120)
        self.url = f"amqp://{LOGIN}@127.0.0.1:{ports['amqp']}/"
        self.management_url = management_url
        self.mqtt_url = f"mqtt://{LOGIN}@127.0.0.1:{ports['mqtt']}"
        return f"127.0.0.1:{ports['amqp']}, management http://127.0.0.1:{ports['amqp_management']}"

    async def stop(self) -> None:
        """Stop the node, then its port mapper."""
        if "rabbitmq" in self._processes.children and not self._disposable:
            await self.unhook_statistics()
        await self._processes.stop("rabbitmq", hard=self._disposable)
        await self._processes.stop("epmd")
        if "rabbitmq-container" in self._processes.children:
            await self._remove_container()
            await self._processes.stop("rabbitmq-container")

    async def _start_node(self, server: str, epmd: str, ports: Mapping[str, int]) -> Child:
        (self._folder / "rabbitmq.config").write_text(
            config(
                host="127.0.0.1",
                amqp=ports["amqp"],
                management=ports["amqp_management"],
                mqtt=ports["mqtt"],
            )
        )
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_mqtt].\n")
        (self._folder / "empty.conf").touch()
        (self._folder / "epmd_port").write_text(str(ports["epmd"]))
        erlang = self._erlang_environment()
        # Started by us, so that it is a child like the others; the node's own would be a daemon that stays.
        mapper = await self._processes.spawn("epmd", [epmd], env=erlang)

        async def always() -> bool:
            return True

        await wait_until_ready(RabbitMQ, mapper, always, port=ports["epmd"], timeout=10)
        return await self._processes.spawn(
            "rabbitmq",
            [server],
            env={
                **erlang,
                "RABBITMQ_NODENAME": self._node_name(),
                "RABBITMQ_NODE_PORT": str(ports["amqp"]),
                "RABBITMQ_DIST_PORT": str(ports["erlang"]),
                "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
                "RABBITMQ_LOG_BASE": str(self._folder),
                "RABBITMQ_LOGS": "-",
                "RABBITMQ_FEATURE_FLAGS_FILE": str(self._folder / "feature_flags"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
                "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq"),
                "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "none.config"),
                "RABBITMQ_CONF_ENV_FILE": str(self._folder / "empty.conf"),  # not the machine's (Homebrew)
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
                "RUNNING_UNDER_SYSTEMD": "true",  # the script becomes the node instead of waiting beside it
            },
            cwd=self._folder,
            grace=20,
        )

    async def unhook_statistics(self) -> None:
        """Take the statistics handler out before the stop, best effort.

        At shutdown it changes the application environment, which waits 5 s for the process that stops it.
        """
        await self.call("gen_event:delete_handler(rabbit_event, rabbit_mgmt_db_handler, [])")

    async def call(self, expression: str) -> str:
        """Have the node evaluate one call `module:function(arguments)`, best effort; gives its value as Erlang text."""
        erl = shutil.which("erl", path=f"{Path(find_epmd() or '').parent}:/usr/bin:/usr/local/bin")
        epmd = self._processes.recorded().get("epmd")
        if not erl or not epmd or not epmd.is_alive():
            return ""
        module, _, rest = expression.partition(":")
        function, _, arguments = rest.removesuffix(")").partition("(")
        call = f"rpc:call('{self._node_name()}', {module}, {function}, [{arguments}], 3000)"
        child = await self._processes.spawn(
            "rabbitmq-call",
            [
                *(erl, "-noinput", "-hidden", "-sname", f"call-{self._node_name()}"),
                *("-start_epmd", "false", "-eval", f'io:format("~p", [{call}]), halt().'),
            ],
            env=self._erlang_environment(),
        )
        try:
            await asyncio.wait_for(child.process.wait(), 5)
        except TimeoutError:
            pass
        finally:
            await self._processes.stop("rabbitmq-call", hard=True)
        return child.log.read_text(errors="replace")

    def _erlang_environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._folder),  # the Erlang cookie
            "ERL_EPMD_PORT": (self._folder / "epmd_port").read_text(),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _node_name(self) -> str:
        """Made once: the name is part of the stored data, which must survive a move of the folder."""
        file = self._folder / "node_name"
        if not file.exists():
            key = hashlib.sha256(str(self._folder).encode()).hexdigest()[:10]
            file.write_text(f"muster-{key}@localhost")
        return file.read_text()

    async def _start_container(self, ports: Mapping[str, int]) -> Child:
        """The same node in Docker, with its data in a named volume."""
        name = self._node_name().partition("@")[0]
        await self._remove_container()  # of a launcher that was killed
        (self._folder / "advanced.config").write_text(
            config(host="0.0.0.0", amqp=5672, management=15672, mqtt=1883, loopback_only=False)
        )
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management,rabbitmq_mqtt].\n")
        published = {ports["amqp"]: 5672, ports["amqp_management"]: 15672, ports["mqtt"]: 1883}
        return await self._processes.spawn(
            "rabbitmq-container",
            [
                *("docker", "run", "--rm", "--name", name, "--hostname", name),
                *(arg for ours, its in published.items() for arg in ("-p", f"127.0.0.1:{ours}:{its}")),
                *("-v", f"{name}:/var/lib/rabbitmq"),
                *("-v", f"{self._folder / 'advanced.config'}:/etc/rabbitmq/advanced.config:ro"),
                *("-v", f"{self._folder / 'enabled_plugins'}:/etc/rabbitmq/enabled_plugins:ro"),
                IMAGE,
            ],
            grace=20,
        )

    async def _remove_container(self) -> None:
        name = self._node_name().partition("@")[0]
        for command in (["docker", "stop", name], ["docker", "rm", "-f", name]):
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            await process.wait()
