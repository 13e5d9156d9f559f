"""What a service answers is read and unpacked within a limit."""

import gzip
import tracemalloc
import zlib

import httpx
import pytest

from activities.answer_bodies import TooLarge, Unreadable, first_bytes, read_body

LIMIT = 10_000
BODY = b'{"results": []}'


def answer(content: bytes, encoding: str = "") -> httpx.Response:
    async def chunks():
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    return httpx.Response(200, headers={"Content-Encoding": encoding} if encoding else {}, content=chunks())


def in_gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)  # the time would be another one in each process that collects the tests


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (BODY, ""),
        (BODY, "odd"),
        (BODY, "identity"),
        (in_gzip(BODY), "gzip"),
        (in_gzip(BODY), "X-GZIP"),
        (zlib.compress(BODY), "deflate"),
        (raw_deflate(BODY), "deflate"),
        (in_gzip(zlib.compress(BODY)), "deflate, gzip"),
    ],
)
async def test_body_is_unpacked_as_its_head_says(content: bytes, encoding: str) -> None:
    assert await read_body(answer(content, encoding), LIMIT) == BODY


async def test_empty_body_needs_no_unpacking() -> None:
    assert await read_body(answer(b"", "gzip"), LIMIT) == b""


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"not packed", "gzip"),
        (b"not packed", "deflate"),
        (in_gzip(BODY)[:-9], "gzip"),
        (in_gzip(in_gzip(in_gzip(BODY))), "gzip, gzip, gzip"),
    ],
)
async def test_body_that_is_not_packed_as_its_head_says(content: bytes, encoding: str) -> None:
    with pytest.raises(Unreadable):
        await read_body(answer(content, encoding), LIMIT)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"x" * (LIMIT + 1), ""),
        (in_gzip(bytes(LIMIT + 1)), "gzip"),
        (in_gzip(in_gzip(bytes(LIMIT + 1))), "gzip, gzip"),
    ],
)
async def test_body_over_the_limit_packed_or_not(content: bytes, encoding: str) -> None:
    with pytest.raises(TooLarge):
        await read_body(answer(content, encoding), LIMIT)


async def test_body_of_just_the_limit_is_taken() -> None:
    assert len(await read_body(answer(in_gzip(bytes(LIMIT)), "gzip"), LIMIT)) == LIMIT


async def test_gzip_of_very_much_takes_no_more_memory_than_the_limit() -> None:
    packed = in_gzip(in_gzip(bytes(30_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await read_body(answer(packed, "gzip, gzip"), 100_000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3_000_000


async def test_first_bytes_come_as_they_are() -> None:
    assert await first_bytes(answer(in_gzip(bytes(5_000_000)), "gzip"), 300) != bytes(300)
    assert await first_bytes(answer(b"x" * 500), 300) == b"x" * 300
    assert await first_bytes(answer(b""), 300) == b""
