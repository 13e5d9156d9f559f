"""Idempotency keys: a creation that is sent twice makes one mission."""

from sqlalchemy import insert, select, text

from missions.errors import InvalidInput
from missions.principals import Principal
from store.connection import Connection
from store.tables import idempotency_keys


async def claim(connection: Connection, principal: Principal, key: str, body_hash: str) -> int | None:
    """The mission that this key made before, or None if the key is new.

    Holds a lock on the key until the transaction ends, so that the second of two concurrent creations waits for the
    first. Raises InvalidInput if the key was used with another body.
    """
    owner = _owner(principal)
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"idempotency/{owner}/{key}"}
    )
    known = (
        await connection.execute(
            select(idempotency_keys.c.body_hash, idempotency_keys.c.work_process_id).where(
                idempotency_keys.c.principal == owner, idempotency_keys.c.key == key
            )
        )
    ).one_or_none()
    if known is None:
        return None
    if known.body_hash != body_hash:
        raise InvalidInput(
            f"this Idempotency-Key made work process {known.work_process_id} from another body",
            field="Idempotency-Key",
            value=key,
            remedy="use a new key for a new mission",
        )
    return int(known.work_process_id)


async def remember(
    connection: Connection, principal: Principal, key: str, body_hash: str, work_process_id: int
) -> None:
    """Store what the key made, in the transaction of the creation."""
    await connection.execute(
        insert(idempotency_keys).values(
            principal=_owner(principal), key=key, body_hash=body_hash, work_process_id=work_process_id
        )
    )


def _owner(principal: Principal) -> str:
    return f"{principal.kind}:{principal.id}"
