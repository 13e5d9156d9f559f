"""Webhooks: where events are sent, which ones, and with which secrets they are signed."""

from sqlalchemy import bindparam, delete, func, insert, select, update

from missions.errors import InvalidInput, NotFound
from missions.event_catalogue import event
from missions.event_payloads.configuration import WebhookChanged
from missions.events import Action
from missions.mission_files.plan import MISSION_FILE
from missions.mission_files.platform_contracts import PLATFORM_COMMAND
from missions.principals import Principal
from store import events, recipes
from store.connection import Connection
from store.event_tables import event_log
from store.rows import Row, all_rows, one_row
from store.tables import work_processes
from store.webhook_replays import try_at_once
from store.webhook_tables import webhooks


async def create(connection: Connection, values: Row, *, after: int | None, principal: Principal, source: str) -> int:
    """Make a webhook (columns of the table), with an event. It gets what follows `after`, else what happens from now.

    Raises InvalidInput for a position that is not in the log, and for a recipe or mission that does not exist.
    """
    log = (await connection.execute(select(event_log))).one()
    if after is not None and not log.archived_position <= after <= log.last_position:
        raise InvalidInput(
            f"the log has the positions from {log.archived_position} to {log.last_position}",
            field="after",
            value=after,
            remedy="send one of these, or leave it out to begin at the log's end",
        )
    await _check_filters(connection, values)
    if values.get("enabled") is False:
        values = values | {"disabled_at": func.now()}
    position = log.last_position if after is None else after
    webhook_id = await connection.scalar(insert(webhooks).values(position=position, **values).returning(webhooks.c.id))
    await _tell(connection, Action.CREATED, webhook_id, values["url"], principal, source)
    return int(webhook_id)


async def patch(connection: Connection, webhook_id: int, values: Row, *, principal: Principal, source: str) -> None:
    """Change columns of a webhook, with an event. Enabled again or at another address, it is tried at once.

    Raises NotFound, and InvalidInput for a recipe or mission that does not exist.
    """
    await _check_filters(connection, values)
    if "enabled" in values:
        values = values | {
            "disabled_reason": None,
            "disabled_at": None if values["enabled"] else func.coalesce(webhooks.c.disabled_at, func.now()),
        }
    if values.get("enabled") or "url" in values:
        values = values | {"failing_since": None, "not_before": None}
    url = await _write(connection, webhook_id, values)
    if values.get("enabled") or "url" in values:
        await try_at_once(connection, webhook_id)
    await _tell(connection, Action.UPDATED, webhook_id, url, principal, source)


async def skip_to_now(connection: Connection, webhook_id: int) -> int:
    """Pass over what a webhook has no deliveries of yet; returns the position it has now. Raises NotFound."""
    last = select(event_log.c.last_position).scalar_subquery()
    position: int | None = await connection.scalar(
        update(webhooks).where(webhooks.c.id == webhook_id).values(position=last).returning(webhooks.c.position)
    )
    if position is None:
        raise _unknown(webhook_id)
    return position


async def missed(connection: Connection, webhook_id: int) -> int:
    """Events of the log after a webhook's position that are archived by now: it will not get them."""
    behind = event_log.c.archived_position - webhooks.c.position
    number: int = await connection.scalar(select(func.greatest(behind, 0)).where(webhooks.c.id == webhook_id))
    return number


async def rotate_secret(
    connection: Connection, webhook_id: int, secret: str, overlap: float, *, principal: Principal, source: str
) -> None:
    """Sign with another secret, and for `overlap` seconds with the present one too, with an event; raises NotFound."""
    until = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, overlap)
    values = {"previous_secret": webhooks.c.secret, "previous_secret_until": until, "secret": secret}
    url = await _write(connection, webhook_id, values)
    await _tell(connection, Action.UPDATED, webhook_id, url, principal, source)


async def remove(connection: Connection, webhook_id: int, *, principal: Principal, source: str) -> None:
    """Delete a webhook, with an event; its deliveries are removed bit by bit. Raises NotFound."""
    url = await connection.scalar(delete(webhooks).where(webhooks.c.id == webhook_id).returning(webhooks.c.url))
    if url is None:
        raise _unknown(webhook_id)
    await _tell(connection, Action.DELETED, webhook_id, url, principal, source)


async def lock_version(connection: Connection, webhook_id: int) -> int:
    """Lock a webhook's row and return its version; raises NotFound."""
    version: int | None = await connection.scalar(
        select(webhooks.c.version).where(webhooks.c.id == webhook_id).with_for_update(key_share=True)
    )
    if version is None:
        raise _unknown(webhook_id)
    return version


async def get(connection: Connection, webhook_id: int) -> Row:
    """One webhook; raises NotFound."""
    row = await one_row(connection, select(webhooks).where(webhooks.c.id == webhook_id))
    if row is None:
        raise _unknown(webhook_id)
    return row


async def page(connection: Connection, *, after: int, limit: int, enabled: bool | None = None) -> list[Row]:
    """Webhooks in the order of their ids."""
    query = select(webhooks).where(webhooks.c.id > after).order_by(webhooks.c.id).limit(limit)
    if enabled is not None:
        query = query.where(webhooks.c.enabled.is_(enabled))
    return await all_rows(connection, query)


async def _check_filters(connection: Connection, values: Row) -> None:
    recipe, mission = values.get("mission_type"), values.get("mission_id")
    if recipe not in (None, MISSION_FILE, PLATFORM_COMMAND) and await recipes.id_of(connection, recipe) is None:
        raise InvalidInput(
            f"there is no recipe {recipe!r}",
            field="missionType",
            value=recipe,
            remedy=f"list the recipes to find its name, or send {MISSION_FILE} or {PLATFORM_COMMAND}",
        )
    if mission is not None and await connection.scalar(_MISSION, {"id": mission}) is None:
        raise InvalidInput(
            f"mission {mission} does not exist", field="missionId", value=mission, remedy="name one that was made"
        )


_MISSION = select(work_processes.c.id).where(work_processes.c.id == bindparam("id"))


async def _write(connection: Connection, webhook_id: int, values: Row) -> str:
    url: str | None = await connection.scalar(
        update(webhooks)
        .where(webhooks.c.id == webhook_id)
        .values(version=webhooks.c.version + 1, modified_at=func.now(), **values)
        .returning(webhooks.c.url)
    )
    if url is None:
        raise _unknown(webhook_id)
    return url


async def _tell(
    connection: Connection, action: Action, webhook_id: int, url: str, principal: Principal, source: str
) -> None:
    payload = WebhookChanged(webhook_id=webhook_id, url=url, action=action)
    await events.append(connection, [event(payload, source=source, actor=principal)])


def _unknown(webhook_id: int) -> NotFound:
    return NotFound(
        f"webhook {webhook_id} does not exist",
        field="id",
        value=webhook_id,
        remedy="list the webhooks to find its id",
    )
