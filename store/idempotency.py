"""Idempotency keys: what is asked for twice is done once."""

from datetime import timedelta

from sqlalchemy import delete, func, insert, select, text

from missions.errors import InvalidInput
from missions.principals import Principal
from store.connection import Connection
from store.tables import idempotency_keys


async def lock(connection: Connection, principal: Principal, key: str) -> None:
    """Keep all others from this key until the transaction ends; no row is locked."""
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"idempotency/{_owner(principal)}/{key}"},
    )


async def claim(connection: Connection, principal: Principal, key: str, body_hash: str) -> tuple[int, ...] | None:
    """The ids of what this key made before, or None if the key is new.

    Holds a lock on the key until the transaction ends, so that the second of two concurrent creations waits for the
    first. Raises InvalidInput if the key was used with another body.
    """
    await lock(connection, principal, key)
    known = (
        await connection.execute(
            select(idempotency_keys.c.body_hash, idempotency_keys.c.made).where(
                idempotency_keys.c.principal == _owner(principal), idempotency_keys.c.key == key
            )
        )
    ).one_or_none()
    if known is None:
        return None
    if known.body_hash != body_hash:
        raise InvalidInput(
            "this Idempotency-Key was used before, for another request",
            field="Idempotency-Key",
            value=key,
            remedy="use a new key for a new request",
        )
    return tuple(known.made)


async def remember(
    connection: Connection,
    principal: Principal,
    key: str,
    body_hash: str,
    *made: int,
    keep: timedelta | None = None,
) -> None:
    """Store what the key made, in the transaction of the creation. `keep`: how long; None: for ever."""
    await connection.execute(
        insert(idempotency_keys).values(
            principal=_owner(principal),
            key=key,
            body_hash=body_hash,
            made=list(made),
            expires_at=None if keep is None else func.now() + keep,
        )
    )


async def forget(connection: Connection, principal: Principal, key: str) -> None:
    """Remove a key: what it made was taken back."""
    await connection.execute(
        delete(idempotency_keys).where(idempotency_keys.c.principal == _owner(principal), idempotency_keys.c.key == key)
    )


async def forget_expired(connection: Connection) -> None:
    """Remove the keys whose time is over."""
    await connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at < func.now()))


def _owner(principal: Principal) -> str:
    return f"{principal.kind}:{principal.id}"
