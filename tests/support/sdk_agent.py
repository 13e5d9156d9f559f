"""An agent on the unmodified helyOS SDK, for tests; run by the agents' own Python, so it imports nothing of ours.

It reserves itself, drives for `--work` seconds and reports, stops when it is cancelled, and frees itself on release.
It never de-duplicates: an assignment that comes twice is driven twice and logged twice. Everything that it receives
and sends is written to `--log`, one JSON object a line, with its time.

The SDK's AMQP client is not thread-safe, so timers only hand work back to the listening thread. Its MQTT client is.
"""

import argparse
import json
import os
import sys
import threading
import time
from typing import Any


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--mqtt", type=int, help="speak MQTT to this port")
    parser.add_argument("--vhost", default="/")
    parser.add_argument("--uuid", required=True)
    parser.add_argument("--yard", default="1")
    parser.add_argument("--token", help="registration token, to check in without an account")
    parser.add_argument("--username")
    parser.add_argument("--password", help="check in with this account")
    parser.add_argument("--log", required=True)
    parser.add_argument("--work", type=float, default=0.05, help="seconds that an assignment takes")
    parser.add_argument("--fail", action="store_true", help="end every assignment as failed")
    parser.add_argument("--ignore-reserve", action="store_true", help="never answer `ready`")
    parser.add_argument("--ready-at", type=int, default=1, help="the first reserve that it answers")
    parser.add_argument("--ignore-assignment", action="store_true", help="never say a word of an assignment")
    parser.add_argument("--ignore-cancel", action="store_true", help="never confirm a cancel, and drive on")
    parser.add_argument("--ignore-release", action="store_true", help="never answer `free`")
    parser.add_argument("--signed", action="store_true", help="sign everything")
    parser.add_argument("--sensors", type=float, default=0.0, help="seconds between sensor messages; 0: none")
    parser.add_argument("--update", help="a general update, as JSON, published once after check-in")
    parser.add_argument("--request-mission", help="a mission to request once, as JSON arguments of the SDK's call")
    parser.add_argument("--ask", action="append", default=[], help="a data request as JSON; the answer is logged")
    parser.add_argument("--ask-summary", action="append", default=[], help="a data request by the SDK's older call")
    parser.add_argument("--say", action="append", default=[], help="'<exchange> <key> <payload>' published at the end")
    parser.add_argument("--key", help="PEM file of its private key; default: one of its own")
    parser.add_argument("--deaf", action="store_true", help="report, but listen to nothing")
    parser.add_argument("--no-assignments", action="store_true", help="listen to instant actions only")
    parser.add_argument("--states", default="[]", help="said first: JSON list of [status, resources, assignment]")
    parser.add_argument("--survive", choices=["deaf", "mute"], help="what it is after its connection was lost")
    parser.add_argument("--finish", type=int, help="an assignment of an earlier life, reported as succeeded")
    parser.add_argument("--checkout", action="store_true", help="check out at once and exit")
    return parser.parse_args()


class Agent:
    def __init__(self, options: argparse.Namespace) -> None:
        # The SDK reads the token when it is imported.
        if options.token is not None:
            os.environ["REGISTRATION_TOKEN"] = options.token
        import helyos_agent_sdk
        from helyos_agent_sdk import AgentConnector, HelyOSClient, models
        from helyos_agent_sdk.mqtt_client import HelyOSMQTTClient

        self.options = options
        self.models = models
        self.log_file = open(options.log, "a", buffering=1)  # noqa: SIM115
        self.log("started", sdk=getattr(helyos_agent_sdk, "__version__", "0.8.1"), pid=os.getpid())
        kind, port = (HelyOSMQTTClient, options.mqtt) if options.mqtt else (HelyOSClient, options.port)
        self.client = kind(options.host, port, uuid=options.uuid, vhost=options.vhost, **self.keys())
        self.connector = AgentConnector(self.client)
        self.timers: dict[int, threading.Timer] = {}
        self.mission: Any = None
        self.reserves = 0

    def log(self, event: str, **facts: Any) -> None:
        self.log_file.write(json.dumps({"at": time.time(), "event": event, **facts}, default=str) + "\n")

    def keys(self) -> dict[str, Any]:
        if not self.options.key:
            return {}
        from cryptography.hazmat.primitives import serialization as s

        with open(self.options.key, "rb") as file:
            pem = file.read()
        public = s.load_pem_private_key(pem, password=None).public_key()
        return {
            "agent_privkey": pem,
            "agent_pubkey": public.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo),
        }

    def answered(self, ch: Any, sender: Any, data: Any, text: str, signature: Any) -> bool:
        key = json.loads(text)["body"]["helyos_public_key"]
        self.log("answered", message=json.loads(text), sender=sender, verified=self.verified(text, signature, key))
        return True

    def verified(self, text: str, signature: Any, key: Any) -> Any:
        from helyos_agent_sdk.crypto import verify_signature

        try:
            return verify_signature(text, signature, key)
        except Exception as error:
            return str(error)

    def run(self) -> int:
        o = self.options
        if o.password:
            self.client.connect(o.username or o.uuid, o.password)
        self.client.perform_checkin(
            yard_uid=o.yard,
            signed=o.signed,
            checkin_guard_interceptor=self.answered,
            agent_data={"name": o.uuid.upper(), "pose": {"x": 1.0, "y": 2.0, "z": 0.0, "orientations": [0.5]}},
        )
        self.client.get_checkin_result()
        if o.mqtt:  # which does not wait
            deadline = time.monotonic() + 10
            while self.client.checkin_data is None and time.monotonic() < deadline:
                time.sleep(0.01)
        data = self.client.checkin_data
        if data is None:
            self.log("checkin_failed")
            return 3
        body = dict(data.body)
        self.log("checked_in", body=body, username=self.client.rbmq_username, password=self.client.rbmq_password)
        if o.checkout:
            if o.mqtt:  # whose client has no such call
                checkout = {"type": "checkout", "uuid": o.uuid, "body": {}}
                self.client.publish(self.client.checking_routing_key, json.dumps(checkout), signed=o.signed)
                self.client.channel.loop_stop()  # ends once the message is out
            else:
                self.client.checkout()
            self.log("checked_out")
            self.client.close_connection()
            return 0
        for status, resources, assignment in json.loads(o.states):
            m = self.models
            self.connector.publish_state(
                status,
                resources and m.AgentCurrentResources(*resources),
                assignment and m.AssignmentCurrentStatus(*assignment),
                signed=o.signed,
            )
        if not o.deaf:
            self.connector.consume_instant_action_messages(self.reserve, self.release, self.cancel, self.other)
            if not o.no_assignments:
                self.connector.consume_assignment_messages(self.assignment, self.other)
        if o.update:
            self.connector.publish_general_updates(json.loads(o.update), signed=o.signed)
        if o.finish:
            self.state("ready", assignment=(o.finish, "succeeded", {"driven": True}))
        else:
            self.state("free", reserved=False)
        if o.request_mission:
            self.connector.request_mission(**json.loads(o.request_mission), signed=o.signed)
        for request in o.ask:
            from helyos_agent_sdk import DatabaseConnector

            self.log("asked", request=request, answer=DatabaseConnector(self.client).call(json.loads(request)))
        for request in o.ask_summary:
            from helyos_agent_sdk import SummaryRPC

            self.log("asked", request=request, answer=SummaryRPC(self.client).call(json.loads(request)))
        for entry in o.say:
            exchange, key, payload = entry.split(" ", 2)
            self.client.publish(key, payload, exchange=exchange)
        if o.sensors:
            self.publish_sensors()
        self.log("listening")
        try:
            if not o.deaf:
                self.client.start_listening()
        except Exception as error:
            self.log("connection_lost", error=repr(error))
            self.go_on_without_listening()
        if o.mqtt and o.survive:  # its thread says nothing of a lost connection
            while self.client.is_connection_open:
                time.sleep(0.05)
            self.log("connection_lost")
            self.go_on_without_listening()
        if o.mqtt or o.deaf:  # MQTT listens in a thread of its own
            threading.Event().wait()
        return 0

    def go_on_without_listening(self) -> None:
        """As programs do that leave the connection to the SDK: it brings back no consumers, and maybe nothing."""
        if not self.options.survive:
            raise SystemExit(5)
        while True:
            try:
                if self.options.survive == "deaf" and not self.client.is_connection_open:
                    self.client.reconnect()
                self.state("free", reserved=False)
            except Exception as error:
                self.log("not_sent", error=repr(error))
            time.sleep(0.3)  # its program says its state now and then

    # --- What it says

    def state(self, status: str, *, reserved: bool = True, assignment: Any = None, operations: Any = ()) -> None:
        m = self.models
        resources = m.AgentCurrentResources(list(operations), self.mission if reserved else None, reserved)
        current = None if assignment is None else m.AssignmentCurrentStatus(*assignment)
        self.log("state", status=status, work_process_id=resources.work_process_id, assignment=assignment)
        self.connector.publish_state(status, resources, current, signed=self.options.signed)

    def publish_sensors(self) -> None:
        self.connector.publish_sensors(3.0, 4.0, 0.0, [0.1], {"battery": 80}, signed=self.options.signed)
        if self.options.mqtt:
            threading.Timer(self.options.sensors, self.publish_sensors).start()
        else:
            self.client.connection.call_later(self.options.sensors, self.publish_sensors)

    # --- What it hears

    def heard(self, kind: str, sender: Any, text: str, signature: Any) -> None:
        verified = self.verified(text, signature, self.client.helyos_public_key)
        self.log(kind, message=json.loads(text), sender=sender, verified=verified)

    def reserve(self, ch: Any, sender: Any, request: Any, text: str, signature: Any) -> None:
        self.heard("reserve", sender, text, signature)
        self.reserves += 1
        if not self.options.ignore_reserve and self.reserves >= self.options.ready_at:
            self.mission = request.work_process_id
            self.state("ready", operations=request.operation_types_required)

    def release(self, ch: Any, sender: Any, request: Any, text: str, signature: Any) -> None:
        self.heard("release", sender, text, signature)
        if not self.options.ignore_release:
            self.mission = None
            self.state("free", reserved=False)

    def assignment(self, ch: Any, sender: Any, message: Any, text: str, signature: Any) -> None:
        self.heard("assignment", sender, text, signature)
        if self.options.ignore_assignment:
            return
        number = message.metadata.id
        self.state("busy", assignment=(number, "executing", {}))

        fails = self.options.fail or (isinstance(message.body, dict) and message.body.get("fail", False))

        def back_in_the_listening_thread() -> None:
            if self.options.mqtt:
                self.done(number, fails)
            else:
                self.client.connection.add_callback_threadsafe(lambda: self.done(number, fails))

        timer = threading.Timer(self.options.work, back_in_the_listening_thread)
        timer.daemon = True
        self.timers[number] = timer
        timer.start()

    def done(self, number: int, fails: bool) -> None:
        if self.timers.pop(number, None) is None:
            return  # cancelled between the timer and this thread
        status = "failed" if fails else "succeeded"
        self.state("ready", assignment=(number, status, {"driven": not fails}))

    def cancel(self, ch: Any, sender: Any, message: Any, text: str, signature: Any) -> None:
        self.heard("cancel", sender, text, signature)
        if self.options.ignore_cancel:
            return
        number = message.metadata.id
        timer = self.timers.pop(number, None)
        if timer is not None:
            timer.cancel()
        self.state("ready", assignment=(number, "canceled", {}))

    def other(self, ch: Any, sender: Any, raw: Any) -> None:
        self.log("other", raw=raw.decode() if isinstance(raw, bytes) else raw)


def main() -> int:
    agent = Agent(parse())
    try:
        return agent.run()
    except Exception as error:
        agent.log("died", error=repr(error))
        return 4


if __name__ == "__main__":
    sys.exit(main())
