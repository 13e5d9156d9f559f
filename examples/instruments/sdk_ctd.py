"""A CTD on the unmodified helyOS SDK: the same instrument and the same faults as in the simulator, another connection.

    pip install helyos-agent-sdk==0.8.1
    REGISTRATION_TOKEN=0000-0000-0000-0000-0000 python -m examples.instruments.sdk_ctd --uuid SBE37_SIM_02 --yard demo

Orders such as `fail ACQUIRE_SAMPLE 2` come as lines of the standard input, as `--order` and as instant actions
(`conversation.py` has them all). Each command that it was sent is a line of JSON on the standard output,
where the SDK prints lines of its own, too.

Everything happens in the listening thread, since the SDK's client is not thread-safe: timers are the connection's own.
"""

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

if not __package__:
    # Run as a script: here, `import platform` would find a neighbour instead of the standard library's.
    sys.path[0] = str(Path(__file__).parents[2])

from helyos_agent_sdk import AgentConnector, HelyOSClient
from helyos_agent_sdk.client import AGENTS_DL_EXCHANGE
from helyos_agent_sdk.models import AGENT_STATE, AgentCurrentResources, AssignmentCurrentStatus

from examples.instruments.conversation import Conversation
from examples.instruments.ctd import Ctd


class SdkVoice:
    """What the device says, in the SDK's calls."""

    def connected(self, client: Any) -> AgentConnector:
        """From now on by this client."""
        self._client, self.connector = client, AgentConnector(client)
        return self.connector

    def state(self, status: str, mission: int | None, report: dict[str, Any] | None) -> None:
        """Say how it stands."""
        resources = AgentCurrentResources([], mission, mission is not None)
        current = report and AssignmentCurrentStatus(report["id"], report["status"], report["result"])
        self.connector.publish_state(AGENT_STATE(status), resources, current)

    def event(self, body: dict[str, Any]) -> None:
        """Tell an event, for which the SDK has no call of its own."""
        message = {"type": "agent_event", "uuid": self._client.uuid, "body": body}
        self._client.publish(f"agent.{self._client.uuid}.event", json.dumps(message))

    def update(self, body: dict[str, Any]) -> None:
        """Say something of itself that shall not be lost."""
        self.connector.publish_general_updates(body)

    def sensors(self, values: dict[str, Any]) -> None:
        """Say what it measures; the SDK wants a place with it."""
        self.connector.publish_sensors(0.0, 0.0, 0.0, [0.0], values)

    def listen(self, hears: bool) -> None:
        """Bind its queues, or unbind them."""
        client = self._client
        for queue, key in (
            (client.assignment_queue, client.assignment_routing_key),
            (client.instant_actions_queue, client.instant_actions_routing_key),
        ):
            change = client.channel.queue_bind if hears else client.channel.queue_unbind
            change(queue=queue.method.queue, exchange=AGENTS_DL_EXCHANGE, routing_key=key)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it from the listening thread."""
        self._client.connection.call_later(seconds, call)


class SdkCtd:
    """The agent."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.voice = SdkVoice()
        self.conversation = Conversation(Ctd(options.state), self.voice)
        self.conversation.on_command = lambda sent: self.tell(**vars(sent))
        self.client: Any = None

    def run(self) -> None:
        """Check in and listen; again whenever the connection is lost, or not there yet."""
        threading.Thread(target=self.read_orders, daemon=True).start()
        while True:
            try:
                self.check_in()
                self.voice.connector.start_listening()
            except Exception as error:
                self.tell(problem=f"{type(error).__name__}: {error}")
                time.sleep(1)

    def check_in(self) -> None:
        """Register in the yard, then take messages. Without an account yet, the answer brings one."""
        o = self.options
        client = HelyOSClient(o.host, o.port, uuid=o.uuid, vhost=o.vhost)
        client.perform_checkin(yard_uid=o.yard, status=AGENT_STATE.NOT_AUTO, agent_data={"name": o.uuid})
        client.get_checkin_result()
        if client.checkin_data is None:
            raise ConnectionError("the check-in was refused, or not answered")
        connector = self.voice.connected(client)
        connector.consume_instant_action_messages(self.heard, self.heard, self.heard, self.other)
        connector.consume_assignment_messages(self.heard, self.other)
        while o.order:
            self.order(o.order.pop(0))
        self.conversation.say_state()
        self.conversation.say()
        self.sample()
        self.client = client
        self.tell(listens=True)

    def heard(self, channel: Any, sender: Any, message: Any, text: str, signature: Any) -> None:
        """Anything of the protocol; `text` is the message as it came."""
        self.conversation.hear(json.loads(text))

    def other(self, channel: Any, sender: Any, raw: Any) -> None:
        """An instant action, which the SDK hands on as it came."""
        try:
            self.conversation.hear(json.loads(json.loads(raw)["message"]))
        except (KeyError, TypeError, ValueError) as error:
            self.tell(problem=f"not understood: {raw!r} ({error!r})")

    def sample(self) -> None:
        """Tell what it measures, now and then."""
        self.voice.later(self.options.sampling, self.sample)
        self.conversation.sample()

    def read_orders(self) -> None:
        """From the standard input, in a thread of its own."""
        for line in sys.stdin:
            if line.strip() and self.client is not None:
                self.client.connection.add_callback_threadsafe(lambda line=line: self.order(line))

    def order(self, line: str) -> None:
        """Do as its operator says."""
        self.tell(order=line.strip(), answer=self.conversation.tell(line))

    def tell(self, **facts: Any) -> None:
        """One line on the standard output."""
        print(json.dumps({"agent": self.options.uuid, **facts}), flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--uuid", required=True)
    parser.add_argument("--yard", required=True, help="uid of the yard")
    parser.add_argument("--host", default="127.0.0.1", help="of RabbitMQ")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--vhost", default="/")
    parser.add_argument("--state", default="COMMAND", help="where it stands at first")
    parser.add_argument("--order", action="append", default=[], help="given at the start, e.g. 'fail CLOCK_SYNC 1'")
    parser.add_argument("--sampling", type=float, default=1.0, help="seconds between two messages while it streams")
    SdkCtd(parser.parse_args()).run()


if __name__ == "__main__":
    main()
