"""A child that ended by itself is told as such, with its last words."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.child import Child
from faults.waiting import until


async def test_a_child_that_ended_by_itself_is_found_whenever_it_is_looked_for(tmp_path: Path) -> None:
    # Without a link to make, the proxy says what is wrong and ends.
    async with Child("faults.stage.proxy", env={}, log=tmp_path / "log") as child:

        async def ended() -> bool:
            try:
                child.check()
            except RuntimeError:
                return True
            return False

        await until(ended, 20)
        with pytest.raises(RuntimeError, match=r"(?s)ended by itself.*arguments are required"):
            child.check()
        with pytest.raises(RuntimeError, match="ended by itself"):
            await child.first("done")
        # What is written first may still find room in the pipe.
        with pytest.raises(RuntimeError, match="ended by itself"):
            await asyncio.gather(*(child.tell("anything") for _ in range(3)))
