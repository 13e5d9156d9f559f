"""Whole missions and their webhooks: signed, in order, also across a SIGKILL; in no mission's way."""

from collections.abc import AsyncIterator

import pytest
from standardwebhooks import Webhook

from tests.support.receiver import Inbox, Receiver
from tests.support.site import Site, until


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver().running() as running:
        yield running


def types(inbox: Inbox, mission_id: int) -> list[str]:
    found = [message.body for message in inbox.messages]
    return [event["type"] for event in found if event["mission_id"] == str(mission_id)]


async def test_events_of_a_mission_arrive_signed_and_in_order_also_if_the_worker_is_killed_on_the_way(
    site: Site, receiver: Receiver
) -> None:
    inbox, hanging = receiver.inbox("inbox"), receiver.inbox("hanging")
    inbox.hold.clear()
    hanging.hold.clear()
    made = await site.post("/webhooks", {"url": inbox.url, "types": ["task.*"]})
    stuck = await site.post("/webhooks", {"url": hanging.url})
    truck = await site.agent("--work", "0.1")
    recipe, _ = await site.recipe(lambda call: {"results": [{"agent_id": truck.id, "assignment": {}}]})
    mission = await site.mission(recipe, [truck])

    async def asked() -> bool:
        return bool(inbox.messages)

    await until(asked, 20, lambda: site.worker.log()[-2000:])
    await mission.until("succeeded")  # although nobody has answered yet
    site.worker.kill()
    inbox.hold.set()
    site.worker.start()

    async def completed() -> bool:
        return "task.completed" in types(inbox, mission.id)

    await until(completed, 30, lambda: site.worker.log()[-2000:])
    ids = [message.headers["webhook-id"] for message in inbox.messages]
    assert ids[0] == ids[1]  # sent, not noted as sent, sent again
    assert types(inbox, mission.id)[1:] == ["task.created", "task.started", "task.completed"]
    events = [Webhook(made["secret"]).verify(message.raw, message.headers) for message in inbox.messages]
    assert [event["mission_sequence"] for event in events] == sorted(event["mission_sequence"] for event in events)

    async def all_delivered() -> bool:
        items = (await site.get(f"/webhooks/{made['id']}/deliveries?missionId={mission.id}"))["items"]
        return [item["state"] for item in items] == ["delivered"] * 3

    await until(all_delivered, 10)
    for webhook in (made, stuck):
        assert (await site.api.delete(f"/webhooks/{webhook['id']}")).status_code == 204
