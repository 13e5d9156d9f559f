"""A helyOS agent on the unmodified SDK: a truck that drives where it is told. Take it as the start of your own.

    pip install helyos-agent-sdk==0.8.1
    REGISTRATION_TOKEN=0000-0000-0000-0000-0000 python agent.py --uuid truck-1 --yard demo

It checks in with the registration token, is reserved by missions, drives its assignments one after the other, stops
when one is cancelled, and is free again after its release. Stopped itself (SIGTERM), it says what it gives up.

An assignment reads `{"task": "drive to the ramp", "to": {"x": 20, "y": 5}, "seconds": 1}`. What it hears and says goes
to a log, one JSON object a line.

Everything happens in the listening thread, since the SDK's client is not thread-safe: timers are the connection's own.
"""

import argparse
import contextlib
import json
import math
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any

from helyos_agent_sdk import AgentConnector, HelyOSClient
from helyos_agent_sdk.models import AGENT_STATE, ASSIGNMENT_STATUS, AgentCurrentResources, AssignmentCurrentStatus

TICK = 0.2
"""Seconds between two steps of a drive, and between two reports of the pose."""


@dataclass
class Drive:
    """One assignment that is not done yet."""

    id: int
    mission: int
    task: str
    to: tuple[float, float]
    seconds: float
    begun: bool = False


class Truck:
    """The agent."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.log_file = open(options.log or f"{options.uuid}.jsonl", "a", buffering=1)  # noqa: SIM115
        self.x, self.y, self.heading = 0.0, 0.0, 0.0
        self.mission: int | None = None
        self.drives: list[Drive] = []

    def run(self) -> None:
        """Check in and listen; again whenever the connection is lost, or not there yet."""
        while True:
            try:
                self.check_in()
                self.connector.start_listening()
            except Exception as error:
                self.log(problem=f"{type(error).__name__}: {error}")
                time.sleep(1)

    def check_in(self) -> None:
        """Register in the yard, then take messages. Without an account yet, the answer brings one."""
        o = self.options
        self.client = HelyOSClient(o.host, o.port, uuid=o.uuid, vhost=o.vhost)
        self.client.perform_checkin(yard_uid=o.yard, status=self.status, agent_data={"name": o.uuid, "unit": "m"})
        self.client.get_checkin_result()
        if self.client.checkin_data is None:
            raise ConnectionError("the check-in was refused, or not answered")
        self.connector = AgentConnector(self.client)
        self.connector.consume_instant_action_messages(self.reserve, self.release, self.cancel, self.other)
        self.connector.consume_assignment_messages(self.assignment, self.other)
        self.say()
        self.tick()

    def leave(self) -> None:
        """Give up what is not done, so that its mission hears of it, and leave the yard if no mission needs us."""
        given_up, self.drives = self.drives, []
        with contextlib.suppress(Exception):
            for drive in given_up:
                self.say(drive.id, ASSIGNMENT_STATUS.ABORTED)
            if self.mission is None:
                self.client.checkout()
            self.client.close_connection()

    # --- what it hears

    def reserve(self, channel: Any, sender: str, request: Any, text: str, signature: Any) -> None:
        """A mission wants this agent: `ready` says that it may have it."""
        self.log(hears="reserve", mission=request.work_process_id)
        self.mission = request.work_process_id
        self.say()

    def assignment(self, channel: Any, sender: str, message: Any, text: str, signature: Any) -> None:
        """Something to do."""
        facts, order = message.metadata, message.body
        try:
            drive = Drive(
                id=facts.id,
                mission=facts.work_process_id,
                task=order.get("task", "drive"),
                to=(float(order["to"]["x"]), float(order["to"]["y"])),
                seconds=float(order.get("seconds", 1)),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # Say so: an agent that only throws leaves its mission waiting for a word that never comes.
            self.log(hears="assignment", mission=facts.work_process_id, assignment=facts.id, error=repr(error))
            self.say(facts.id, ASSIGNMENT_STATUS.FAILED, {"error": repr(error)})
            return
        self.log(hears="assignment", mission=drive.mission, assignment=drive.id, task=drive.task)
        self.drives.append(drive)
        self.begin()

    def cancel(self, channel: Any, sender: str, message: Any, text: str, signature: Any) -> None:
        """Stop: the mission waits for our word on it before it releases us."""
        facts = message.metadata
        self.log(hears="cancel", mission=facts.work_process_id, assignment=facts.id)
        self.drives = [drive for drive in self.drives if drive.id != facts.id]
        self.say(facts.id, ASSIGNMENT_STATUS.CANCELED)
        self.begin()

    def release(self, channel: Any, sender: str, request: Any, text: str, signature: Any) -> None:
        """The mission needs this agent no more."""
        self.log(hears="release", mission=request.work_process_id)
        self.mission, self.drives = None, []
        self.say()

    def other(self, channel: Any, sender: str, text: Any) -> None:
        """Anything that is not in the protocol."""
        self.log(hears="something else", text=str(text))

    # --- what it does

    def begin(self) -> None:
        """Begin the next drive, unless one is going on."""
        if self.drives and not self.drives[0].begun:
            self.drives[0].begun = True
            self.say(self.drives[0].id, ASSIGNMENT_STATUS.EXECUTING)

    def tick(self) -> None:
        """Move a little, and tell where we are: that also shows that we are alive."""
        self.client.connection.call_later(TICK, self.tick)
        if self.drives:
            self.move(self.drives[0])
        self.connector.publish_sensors(self.x, self.y, 0.0, [self.heading])

    def move(self, drive: Drive) -> None:
        """Go the next part of the way; at its end, say so and go on with the next drive."""
        part = min(1.0, TICK / max(drive.seconds, TICK))
        dx, dy = drive.to[0] - self.x, drive.to[1] - self.y
        self.x, self.y, self.heading = self.x + part * dx, self.y + part * dy, math.atan2(dy, dx)
        drive.seconds -= TICK
        if drive.seconds <= 0:
            self.drives.remove(drive)
            self.say(drive.id, ASSIGNMENT_STATUS.SUCCEEDED, {"x": self.x, "y": self.y})
            self.begin()

    # --- what it says

    @property
    def status(self) -> AGENT_STATE:
        """What it is: driving, held by a mission, or free."""
        if self.drives:
            return AGENT_STATE.BUSY
        return AGENT_STATE.FREE if self.mission is None else AGENT_STATE.READY

    def say(self, assignment: int | None = None, word: ASSIGNMENT_STATUS | None = None, result: Any = None) -> None:
        """Publish the state, with the word on an assignment if there is one."""
        report = None if word is None else AssignmentCurrentStatus(assignment, word, result or {})
        resources = AgentCurrentResources([], self.mission, self.mission is not None)
        self.connector.publish_state(self.status, resources, report)
        facts = {} if word is None else {"assignment": assignment, "assignment_status": word.value}
        self.log(says=self.status.value, mission=self.mission, **facts)

    def log(self, **facts: Any) -> None:
        """Write one line."""
        self.log_file.write(json.dumps({"at": time.time(), "agent": self.options.uuid, **facts}) + "\n")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--uuid", required=True)
    parser.add_argument("--yard", required=True, help="uid of the yard")
    parser.add_argument("--host", default="127.0.0.1", help="of RabbitMQ")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--vhost", default="/")
    parser.add_argument("--log", help="default: <uuid>.jsonl")
    truck = Truck(parser.parse_args())
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        truck.run()
    finally:
        truck.leave()


if __name__ == "__main__":
    main()
