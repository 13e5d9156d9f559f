"""Forks SDK agents from one process that has loaded what their SDK is made of: a start costs a tenth of a program's.

Run by the agents' Python. A line on stdin is `{argv, folder, out}` in JSON, the answer is the agent's pid; when an
agent ends, its exit code is written beside its output, to `<out>.<pid>`. At the end of stdin all agents are killed.
"""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import dataclasses_json  # noqa: F401
import paho.mqtt.client  # noqa: F401
import pika  # noqa: F401
from cryptography.hazmat.backends.openssl import rsa  # noqa: F401
from cryptography.hazmat.primitives import serialization  # noqa: F401

# The SDK itself is imported by each agent: it reads its token then.
sys.path.insert(0, str(Path(__file__).parent))
import sdk_agent


class Nursery:
    """The process, and the agents that it has started."""

    def __init__(self) -> None:
        self._agents: dict[int, str] = {}

    def run(self) -> None:
        """Serve until stdin ends."""
        heard, told = socket.socketpair()
        for end in (heard, told):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
        with selectors.DefaultSelector() as ready:
            ready.register(heard, selectors.EVENT_READ)
            ready.register(sys.stdin, selectors.EVENT_READ)
            while True:
                files = [key.fileobj for key, _ in ready.select()]
                if heard in files:
                    heard.recv(4096)
                    self._reap()
                if sys.stdin in files:
                    line = sys.stdin.readline()
                    if not line:
                        break
                    self._start(**json.loads(line))
        for pid in self._agents:
            os.kill(pid, signal.SIGKILL)

    def _start(self, argv: list[str], folder: str, out: str) -> None:
        pid = os.fork()
        if pid == 0:
            become_agent(argv, folder, out)
        self._agents[pid] = out
        print(pid, flush=True)

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                note = Path(f"{self._agents.pop(pid)}.{pid}")
                note.with_suffix(".part").write_text(str(os.waitstatus_to_exitcode(status)))
                note.with_suffix(".part").rename(note)


def become_agent(argv: list[str], folder: str, out: str) -> NoReturn:
    """In the child: as if the program had been started so."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(folder)
        for source, flags, target in (
            (os.devnull, os.O_RDONLY, 0),
            (out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 1),
            (out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2),
        ):
            opened = os.open(source, flags, 0o644)
            os.dup2(opened, target)
            os.close(opened)
        sys.argv = argv
        code = sdk_agent.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)  # without what the nursery would do at its end


if __name__ == "__main__":
    gc.freeze()
    Nursery().run()
