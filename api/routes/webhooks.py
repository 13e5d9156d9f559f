"""Webhooks: register, read, change, delete; secrets, tests, deliveries, replay."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import SecretStr
from uuid_utils import uuid7

from api.deps import IfMatch, Parts, PartsDep, PrincipalDep, etag, next_cursor, read_cursor, require_match
from api.idempotency import MADE_BEFORE, CreationDep
from api.models.base import Page, PathId
from api.models.webhooks import (
    Delivery,
    DeliveryQuery,
    Enable,
    EnabledWebhook,
    From,
    Replay,
    Replayed,
    RotateSecret,
    TestAnswer,
    Webhook,
    WebhookCreate,
    WebhookPatch,
    WebhookQuery,
    WebhookWithSecret,
)
from api.problems import responses
from missions.events import SCHEMA_VERSION, Event, EventSource, Meta, utc_now
from missions.principals import Principal
from missions.statuses import Severity
from missions.webhook_signatures import keys_at, new_secret
from outlets.webhook_sender import checked_url, policy_of, sending
from store import webhook_deliveries as deliveries
from store import webhook_replays, webhooks

_DROPPED_AT_ONCE = 5000

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

_TEST_TIMEOUT = 8.0  # seconds, so that the answer comes before the request's own end


@router.post("", status_code=201, responses=MADE_BEFORE | responses(400, 413, 422))
async def create_webhook(
    body: WebhookCreate, response: Response, parts: PartsDep, principal: PrincipalDep, creation: CreationDep
) -> WebhookWithSecret:
    """Register an address that gets events. Its secret is in this answer only."""
    checked_url(body.url, policy_of(parts.settings))
    async with parts.database.transaction() as connection:
        made = await creation.made_before(connection, body)
        if made is not None:
            (webhook_id,) = made
        else:
            values = body.columns() | {"secret": _secret(body.secret)}
            webhook_id = await webhooks.create(
                connection, values, after=body.after, principal=principal, source=EventSource.API
            )
            await creation.remember(connection, webhook_id)
    response.headers["Location"] = f"/api/v1/webhooks/{webhook_id}"
    return await _with_secret(parts, webhook_id, response)


@router.get("", responses=responses(422))
async def list_webhooks(query: Annotated[WebhookQuery, Query()], parts: PartsDep, _: PrincipalDep) -> Page[Webhook]:
    """Webhooks in the order of their ids."""
    async with parts.database.statement() as connection:
        rows = await webhooks.page(
            connection, after=read_cursor(query.cursor) or 0, limit=query.limit + 1, enabled=query.enabled
        )
    return Page(
        items=[Webhook.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["id"])),
    )


@router.get("/{id}", responses=responses(404, 422))
async def get_webhook(id: PathId, response: Response, parts: PartsDep, _: PrincipalDep) -> Webhook:
    """One webhook."""
    return await _read(parts, id, response)


@router.patch("/{id}", responses=responses(400, 404, 412, 413, 422))
async def patch_webhook(
    id: PathId,
    body: WebhookPatch,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    if_match: IfMatch = None,
) -> Webhook:
    """Change a webhook; other types count from the next event on."""
    if "url" in body.model_fields_set:
        checked_url(body.url, policy_of(parts.settings))
    async with parts.database.transaction() as connection:
        require_match(if_match, await webhooks.lock_version(connection, id))
        await webhooks.patch(connection, id, body.columns(), principal=principal, source=EventSource.API)
    return await _read(parts, id, response)


@router.delete("/{id}", status_code=204, responses=responses(404, 422))
async def delete_webhook(id: PathId, parts: PartsDep, principal: PrincipalDep) -> None:
    """Delete a webhook and its deliveries."""
    async with parts.database.transaction() as connection:
        await webhooks.remove(connection, id, principal=principal, source=EventSource.API)


@router.post("/{id}/enable", responses=responses(400, 404, 413, 422))
async def enable_webhook(
    id: PathId, response: Response, parts: PartsDep, principal: PrincipalDep, body: Enable | None = None
) -> EnabledWebhook:
    """Enable a webhook again: it goes on where it stopped, or with what happens from now."""
    if body is not None and body.from_ is From.NOW:
        await _leave_out_what_waits(parts, id)
    async with parts.database.transaction() as connection:
        await webhooks.lock_version(connection, id)
        missed = await webhooks.missed(connection, id)
        await webhooks.patch(connection, id, {"enabled": True}, principal=principal, source=EventSource.API)
        webhook = EnabledWebhook.model_validate(await webhooks.get(connection, id) | {"missed": missed})
    response.headers.update(etag(webhook.version))
    return webhook


@router.post("/{id}/rotate-secret", responses=responses(400, 404, 413, 422))
async def rotate_secret(
    id: PathId,
    response: Response,
    parts: PartsDep,
    principal: PrincipalDep,
    creation: CreationDep,
    body: RotateSecret | None = None,
) -> WebhookWithSecret:
    """Give a webhook another secret, shown in this answer only; for a while the one of before signs too."""
    body = body or RotateSecret()
    async with parts.database.transaction() as connection:
        if await creation.made_before(connection, body) is None:
            await webhooks.lock_version(connection, id)
            secret = _secret(body.secret)
            await webhooks.rotate_secret(
                connection, id, secret, body.overlap, principal=principal, source=EventSource.API
            )
            await creation.remember(connection, id)
    return await _with_secret(parts, id, response)


@router.post("/{id}/test", responses=responses(404, 422))
async def test_webhook(id: PathId, parts: PartsDep, principal: PrincipalDep) -> TestAnswer:
    """Send a signed `webhook.test` now, also to a disabled one, and say what came back."""
    async with parts.database.statement() as connection:
        row = await webhooks.get(connection, id)
    keys = keys_at(utc_now(), row)
    async with sending(parts.settings) as sender:
        timeout = min(_TEST_TIMEOUT, parts.settings.webhook_timeout)
        outcome = await sender.send(row["url"], keys, _test_message(id, principal), timeout)
    return TestAnswer(
        succeeded=outcome.succeeded,
        status_code=outcome.status_code,
        error=outcome.error,
        duration_ms=outcome.duration_ms,
        answer=outcome.answer,
    )


@router.get("/{id}/deliveries", responses=responses(404, 422))
async def list_deliveries(
    id: PathId, query: Annotated[DeliveryQuery, Query()], parts: PartsDep, _: PrincipalDep
) -> Page[Delivery]:
    """What was sent or is to be, with each attempt; the newest events first."""
    async with parts.database.statement() as connection:
        await webhooks.get(connection, id)
        rows = await deliveries.page(
            connection,
            id,
            before=read_cursor(query.cursor),
            limit=query.limit + 1,
            state=query.state,
            event_type=query.type,
            mission_id=query.mission_id,
        )
    return Page(
        items=[Delivery.model_validate(row) for row in rows[: query.limit]],
        next_cursor=next_cursor(rows, query.limit, lambda row: int(row["sequence"])),
    )


@router.post("/{id}/deliveries/{deliveryId}/replay", responses=responses(404, 409, 422))
async def replay_delivery(id: PathId, deliveryId: PathId, parts: PartsDep, _: PrincipalDep) -> Delivery:
    """Send an event again, with the same id."""
    async with parts.database.transaction() as connection:
        await webhooks.lock_version(connection, id)
        await webhook_replays.replay_one(connection, id, deliveryId)
        return Delivery.model_validate(await deliveries.get(connection, id, deliveryId))


@router.post("/{id}/replay", responses=responses(400, 404, 413, 422))
async def replay(id: PathId, body: Replay, parts: PartsDep, _: PrincipalDep) -> Replayed:
    """Send a part of the log again, or what is parked; at most 10,000 events at a time."""
    limit, after = webhook_replays.MAX_REPLAY, body.after or 0
    async with parts.database.transaction() as connection:
        await webhooks.lock_version(connection, id)
        if body.parked:
            taken = await webhook_replays.replay_parked(connection, id, after, limit)
        else:
            taken = await webhook_replays.replay_range(connection, id, after, body.start, limit)
        archived, parked = await webhook_replays.archived_of(connection, id, after)
    return Replayed(
        count=len(taken),
        next_after=taken[-1] if len(taken) == limit else None,
        archived_until=archived,
        left_out=parked if body.parked else 0,
    )


async def _leave_out_what_waits(parts: Parts, webhook_id: int) -> None:
    async with parts.database.transaction() as connection:
        until = await webhooks.skip_to_now(connection, webhook_id)
    more = True
    while more:  # a part at a time: what comes of all webhooks' attempts waits for the row
        async with parts.database.transaction() as connection:
            await webhooks.lock_version(connection, webhook_id)
            more = await webhook_replays.drop_pending(connection, webhook_id, until, _DROPPED_AT_ONCE)


def _secret(given: SecretStr | None) -> str:
    return new_secret() if given is None else given.get_secret_value()


def _test_message(webhook_id: int, principal: Principal) -> Event:
    return Event(
        id=str(uuid7()),
        type="webhook.test",
        source=EventSource.API,
        target=None,
        timestamp=utc_now(),
        payload={"webhook_id": webhook_id},
        mission_id=None,
        task_id=None,
        correlation_id=None,
        causation_id=None,
        severity=Severity.INFO,
        actor=principal,
        meta=Meta(schema_version=SCHEMA_VERSION, producer="muster", source_module="api"),
        sequence=None,
        mission_sequence=None,
        attempt=None,
    )


async def _read(parts: Parts, webhook_id: int, response: Response) -> Webhook:
    async with parts.database.statement() as connection:
        webhook = Webhook.model_validate(await webhooks.get(connection, webhook_id))
    response.headers.update(etag(webhook.version))
    return webhook


async def _with_secret(parts: Parts, webhook_id: int, response: Response) -> WebhookWithSecret:
    async with parts.database.statement() as connection:
        webhook = WebhookWithSecret.model_validate(await webhooks.get(connection, webhook_id))
    response.headers.update(etag(webhook.version))
    return webhook
