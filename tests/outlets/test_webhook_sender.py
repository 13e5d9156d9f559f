"""One request to a webhook: TLS by name, answers that never end, names that hang."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from missions.addresses import Address
from missions.events import Event, Meta, utc_now
from missions.principals import MUSTER
from missions.statuses import Severity
from missions.webhook_signatures import new_secret
from outlets.webhook_sender import sending
from settings import Settings

OPEN = Settings(webhook_allow_private=True, webhook_allow_http=True, webhook_timeout=5)
EVENT = Event(
    id="id-1",
    type="recipe.changed",
    source="api",
    target=None,
    timestamp=utc_now(),
    payload={},
    mission_id=None,
    task_id=None,
    correlation_id=None,
    causation_id=None,
    severity=Severity.INFO,
    actor=MUSTER,
    meta=Meta(schema_version=1, producer="muster", source_module="api"),
    sequence=1,
    mission_sequence=None,
    attempt=None,
)
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def here(host: str, port: int) -> Sequence[Address]:
    return [ip_address("127.0.0.1")]


@asynccontextmanager
async def server(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Bare TCP: takes a request's head and lets the test write what it likes; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def ok(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await writer.drain()


def certificate(folder: Path, name: str) -> Path:
    """A certificate of this name that vouches for itself, with its key in `key.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(utc_now() - timedelta(days=1))
        .not_valid_after(utc_now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    return folder / "cert.pem"


async def test_certificate_is_checked_against_the_name_and_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "hooks.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path, tmp_path / "key.pem")
    asked: list[str | None] = []
    context.sni_callback = lambda _, name, __: asked.append(name)
    async with server(ok, context) as port, sending(OPEN, here) as sender:
        good = await sender.send(f"https://hooks.example:{port}/", [new_secret()], EVENT)
        bad = await sender.send(f"https://other.example:{port}/", [new_secret()], EVENT)
    assert (good.status_code, good.error, good.answer) == (200, None, "ok")
    assert bad.status_code is None
    assert "other.example" in str(bad.error)
    assert asked == ["hooks.example", "other.example"]


async def test_answer_that_never_ends_counts_by_its_status_and_is_read_no_further() -> None:
    written = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            written += 65536
            await writer.drain()

    async with server(endless) as port, sending(OPEN) as sender:
        outcome = await sender.send(f"http://127.0.0.1:{port}/", [new_secret()], EVENT)
    assert (outcome.status_code, outcome.error, outcome.answer) == (200, None, "x" * 200)
    assert outcome.duration_ms < 2000
    assert written < 64 * 1024 * 1024


async def test_answer_that_trickles_does_not_hold_on() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"y")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with server(trickle) as port, sending(OPEN) as sender:
        outcome = await sender.send(f"http://127.0.0.1:{port}/", [new_secret()], EVENT, timeout=0.3)
    assert (outcome.status_code, outcome.error) == (500, "answered HTTP 500")
    assert 200 < outcome.duration_ms < 1500


async def test_address_that_the_settings_allow_no_more_is_not_called() -> None:
    called = False

    async def answer(writer: asyncio.StreamWriter) -> None:
        nonlocal called
        called = True
        await ok(writer)

    stricter = OPEN.model_copy(update={"webhook_allow_http": False})
    async with server(answer) as port, sending(stricter) as sender:
        outcome = await sender.send(f"http://127.0.0.1:{port}/", [new_secret()], EVENT)
    assert not called
    assert "http" in str(outcome.error)


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"", b"HTTP/1.1 20x OK\r\n\r\n"])
async def test_what_is_no_http_is_a_failure(said: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    async with server(answer) as port, sending(OPEN) as sender:
        outcome = await sender.send(f"http://127.0.0.1:{port}/", [new_secret()], EVENT)
    assert outcome.status_code is None
    assert outcome.error


async def test_name_that_hangs_is_asked_once_at_a_time_and_holds_up_no_other() -> None:
    asked: list[str] = []

    async def resolve(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        if host == "hangs.example":
            await asyncio.sleep(60)
        return await here(host, port)

    async with server(ok) as port, sending(OPEN, resolve) as sender:
        hanging = [sender.send(f"http://hangs.example:{port}/", [new_secret()], EVENT, timeout=0.5) for _ in range(20)]
        *late, good = await asyncio.gather(
            *hanging, sender.send(f"http://hooks.example:{port}/", [new_secret()], EVENT, timeout=0.5)
        )
    assert {outcome.error for outcome in late} == {"no answer within 0.5 s"}
    assert good.status_code == 200
    assert sorted(asked) == ["hangs.example", "hooks.example"]


async def test_name_that_is_unknown_is_a_failure() -> None:
    async with sending(Settings(webhook_timeout=5)) as sender:
        outcome = await sender.send("https://no-such-host.invalid/", [new_secret()], EVENT)
    assert outcome.status_code is None
    assert outcome.error
