"""The workers of a whole site, as the API lists them."""

from typing import Any

from tests.support.site import Site, until


async def test_worker_is_listed_with_what_it_polls_until_it_stops(site: Site) -> None:
    async def polling() -> Any:
        answer = await site.get("/workers")
        return answer if answer["items"] and len(answer["items"][-1]["polledAt"]) == 3 else None

    answer = await until(polling, 20)
    assert answer["items"][-1]["roles"] == ["missions", "intake", "relay"]
    assert answer["trouble"] == []
    assert [(kind["kind"], kind["pollers"] > 0) for kind in answer["taskKinds"]] == [
        ("workflows", True),
        ("activities", True),
        ("steps", True),
    ]
    site.worker.stop()
    left = (await site.get("/workers"))["items"]
    assert answer["items"][-1]["identity"] not in [one["identity"] for one in left]
    if all(one["lost"] for one in left):  # another test may just have killed one
        assert len((await site.get("/workers"))["trouble"]) == 3
