import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.probes import Probe, greet
from cli.stack.addresses import Addresses


class Part:
    """Counts how often it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked = 0
        self.lets = asyncio.Event()
        self.fault: Exception | None = None

    async def check(self) -> None:
        self.asked += 1
        await self.lets.wait()
        if self.fault:
            raise self.fault


async def test_all_who_ask_at_once_share_one_answer() -> None:
    part = Part()
    probe = Probe(part.check)
    asking = [asyncio.ensure_future(probe.trouble()) for _ in range(50)]
    await asyncio.sleep(0)
    part.lets.set()
    assert set(await asyncio.gather(*asking)) == {None}
    assert part.asked == 1


async def test_an_answer_is_kept_for_a_moment_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part()
    part.lets.set()
    part.fault = ConnectionError("amqp://user:secret@host")
    probe = Probe(part.check)
    assert await probe.trouble() == "does not answer (ConnectionError)"
    part.fault = None
    assert await probe.trouble() == "does not answer (ConnectionError)"
    assert part.asked == 1
    monkeypatch.setattr("api.probes._KEPT", 0.0)
    probe = Probe(part.check)
    assert await probe.trouble() is None
    assert await probe.trouble() is None
    assert part.asked == 3


async def test_who_stops_asking_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.probes._SECONDS", 0.05)
    part = Part()
    probe = Probe(part.check)
    asking = asyncio.ensure_future(probe.trouble())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    assert await probe.trouble() == "no answer within 0.05 s"


@asynccontextmanager
async def server(says: bytes) -> AsyncIterator[str]:
    """Something that answers whatever it hears with these bytes and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)
        writer.write(says)
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield f"amqp://guest:guest@127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


async def test_a_broker_answers_the_greeting(services: Addresses) -> None:
    await greet(services.amqp_url)


@pytest.mark.parametrize(("says", "error"), [(b"HTTP/1.1 400\r\n", ConnectionError), (b"", EOFError)])
async def test_what_is_no_broker_is_told_apart(says: bytes, error: type[Exception]) -> None:
    async with server(says) as url:
        with pytest.raises(error):
            await greet(url)


@pytest.mark.parametrize("url", ["", "amqp://127.0.0.1:1/"])
async def test_no_broker_at_all(url: str) -> None:
    with pytest.raises(ConnectionError):
        await greet(url)
