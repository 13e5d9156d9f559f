"""The few words of MQTT 3.1.1 that a test needs to find out what the broker refuses."""

import asyncio
import secrets
import struct
from types import TracebackType
from urllib.parse import unquote, urlsplit

from fleet.accounts import Login
from settings import Settings

_CONNECT, _PUBLISH_ONCE_AT_LEAST, _SUBSCRIBE = 0x10, 0x32, 0x82
_CLEAN_WITH_LOGIN = 0xC2
_REFUSED = 0x80


class RawMqtt:
    """Each question on a connection of its own, since a refusal closes it."""

    def __init__(self, settings: Settings, mqtt_url: str, login: Login) -> None:
        url = urlsplit(mqtt_url)
        self._host, self._port = url.hostname or "127.0.0.1", url.port or 1883
        self._user = f"{unquote(urlsplit(settings.amqp_url).path[1:])}:{login.username}"
        self._password = login.password

    async def may_publish(self, topic: str, payload: bytes = b"{}") -> bool:
        """Whether the broker takes a message on this topic."""
        return bool(await self._ask(_PUBLISH_ONCE_AT_LEAST, _text(topic) + struct.pack("!H", 1) + payload))

    async def may_subscribe(self, topic: str) -> bool:
        """Whether it can listen to this topic."""
        answer = await self._ask(_SUBSCRIBE, struct.pack("!H", 1) + _text(topic) + b"\0")
        return bool(answer) and answer[-1] != _REFUSED

    async def _ask(self, kind: int, content: bytes) -> bytes:
        """The answer's content; nothing if the broker closed the connection instead."""
        async with _Connection(self._host, self._port) as connection:
            client = _text(f"test-{secrets.token_hex(4)}")
            login = _text(self._user) + _text(self._password)
            head = _text("MQTT") + bytes([4, _CLEAN_WITH_LOGIN]) + struct.pack("!H", 60)
            assert (await connection.ask(_CONNECT, head + client + login))[-1:] == b"\0", "not logged in"
            return await connection.ask(kind, content)


class _Connection:
    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port

    async def __aenter__(self) -> "_Connection":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, kind: int, content: bytes) -> bytes:
        length, digits = len(content), b""
        while True:
            length, low = divmod(length, 128)
            digits += bytes([low | (0x80 if length else 0)])
            if not length:
                break
        self._writer.write(bytes([kind]) + digits + content)
        try:
            async with asyncio.timeout(10):
                head = await self._reader.readexactly(2)
                return await self._reader.readexactly(head[1])
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


def _text(words: str) -> bytes:
    data = words.encode()
    return struct.pack("!H", len(data)) + data
