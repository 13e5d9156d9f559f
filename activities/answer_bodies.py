"""The body of an answer, read and unpacked within a limit: a kilobyte may be gigabytes in gzip."""

import zlib

import httpx

_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_MOST_ENCODINGS = 2
"""Packed more often than that is nothing but an attack."""


class TooLarge(Exception):
    """It is larger than the limit."""


class Unreadable(Exception):
    """It is not packed as its head says."""


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """At most `limit` bytes, before and after unpacking; raises TooLarge, Unreadable and httpx's errors of the way."""
    chunks, size = [], 0
    async for chunk in _stream(response):
        size += len(chunk)
        if size > limit:
            raise TooLarge
        chunks.append(chunk)
    return _unpacked(b"".join(chunks), response.headers.get_list("content-encoding", split_commas=True), limit)


async def first_bytes(response: httpx.Response, limit: int) -> bytes:
    """What comes first, as it comes: the caller asked for nothing packed."""
    async for chunk in _stream(response):
        return chunk[:limit]
    return b""


def _stream(response: httpx.Response) -> httpx.AsyncByteStream:
    # Not httpx's own reading: it unpacks whatever a chunk holds before anybody can say that it is enough.
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.stream


def _unpacked(body: bytes, encodings: list[str], limit: int) -> bytes:
    known = [name for each in encodings if (name := each.strip().lower()) in _WINDOWS]
    if len(known) > _MOST_ENCODINGS:
        raise Unreadable(f"packed {len(known)} times")
    for name in reversed(known):
        if body:
            body = _unpack(body, name, limit)
    return body


def _unpack(body: bytes, name: str, limit: int) -> bytes:
    try:
        unpacker = zlib.decompressobj(_WINDOWS[name])
        try:
            content = unpacker.decompress(body, limit + 1)
        except zlib.error:
            if name != "deflate":
                raise
            unpacker = zlib.decompressobj(_RAW_DEFLATE)  # as some servers take the word
            content = unpacker.decompress(body, limit + 1)
    except zlib.error as error:
        raise Unreadable(f"{name}: {error}") from error
    if len(content) > limit:
        raise TooLarge
    if not unpacker.eof:
        raise Unreadable(f"{name}: it ends in the middle")
    return content
