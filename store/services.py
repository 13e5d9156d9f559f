"""Services: the microservices that recipes call. At most one of a type is enabled."""

from asyncpg import IntegrityConstraintViolationError
from sqlalchemy import delete, func, insert, select, update

from missions.errors import Conflict, NotFound
from missions.event_catalogue import event
from missions.event_payloads.configuration import ServiceChanged
from missions.events import Action
from missions.principals import Principal
from store import events
from store.connection import Connection
from store.rows import Row, all_rows, one_row
from store.tables import services

_HEALTH_UNKNOWN = {"unhealthy": False, "health_text": None, "health_since": None, "health_checked_at": None}


async def create(connection: Connection, values: Row, *, principal: Principal, source: str) -> int:
    """Register a service (columns of the table), with an event; raises Conflict."""
    try:
        service_id: int | None = await connection.scalar(insert(services).values(**values).returning(services.c.id))
    except IntegrityConstraintViolationError as error:
        raise _conflict(error.constraint_name, values) or error from error
    assert service_id is not None
    await _tell(connection, Action.CREATED, service_id, values["name"], principal, source)
    return service_id


async def patch(connection: Connection, service_id: int, values: Row, *, principal: Principal, source: str) -> None:
    """Change columns of a service, with an event; requests on their way keep what they were given.

    Raises NotFound, Conflict.
    """
    if values.keys() & {"service_url", "health_endpoint"}:  # what the old address answered says nothing of the new one
        values = values | _HEALTH_UNKNOWN
    try:
        name = await connection.scalar(
            update(services)
            .where(services.c.id == service_id)
            .values(version=services.c.version + 1, modified_at=func.now(), **values)
            .returning(services.c.name)
        )
    except IntegrityConstraintViolationError as error:
        raise _conflict(error.constraint_name, values) or error from error
    if name is None:
        raise _unknown(service_id)
    await _tell(connection, Action.UPDATED, service_id, name, principal, source)


async def remove(connection: Connection, service_id: int, *, principal: Principal, source: str) -> None:
    """Delete a service, with an event; raises NotFound."""
    name = await connection.scalar(delete(services).where(services.c.id == service_id).returning(services.c.name))
    if name is None:
        raise _unknown(service_id)
    await _tell(connection, Action.DELETED, service_id, name, principal, source)


async def lock_version(connection: Connection, service_id: int) -> int:
    """Lock a service's row and return its version; raises NotFound."""
    version: int | None = await connection.scalar(
        select(services.c.version).where(services.c.id == service_id).with_for_update()
    )
    if version is None:
        raise _unknown(service_id)
    return version


async def get(connection: Connection, service_id: int) -> Row:
    """One service; raises NotFound."""
    row = await one_row(connection, select(services).where(services.c.id == service_id))
    if row is None:
        raise _unknown(service_id)
    return row


async def id_of(connection: Connection, name: str) -> int | None:
    """The id of the service of this name."""
    found: int | None = await connection.scalar(select(services.c.id).where(services.c.name == name))
    return found


async def page(
    connection: Connection, *, after: int, limit: int, name: str | None = None, service_type: str | None = None
) -> list[Row]:
    """Services in the order of their ids."""
    query = select(services).where(services.c.id > after).order_by(services.c.id).limit(limit)
    if name is not None:
        query = query.where(services.c.name == name)
    if service_type is not None:
        query = query.where(services.c.service_type == service_type)
    return await all_rows(connection, query)


def _conflict(constraint: str, values: Row) -> Conflict | None:
    if constraint == "uq_services_enabled_type":
        return Conflict(
            "another service of this type is enabled, and only one may be",
            field="enabled",
            value=True,
            remedy="disable the other one first, or use another `type`",
        )
    if constraint == "uq_services_name":
        return Conflict(
            f"there is a service {values['name']!r} already",
            field="name",
            value=values["name"],
            remedy="use another name, or change that service (PATCH)",
        )
    return None


async def _tell(
    connection: Connection, action: Action, service_id: int, name: str, principal: Principal, source: str
) -> None:
    payload = ServiceChanged(service_id=service_id, name=name, action=action)
    await events.append(connection, [event(payload, source=source, actor=principal)])


def _unknown(service_id: int) -> NotFound:
    return NotFound(
        f"service {service_id} does not exist",
        field="id",
        value=service_id,
        remedy="list the services to find its id",
    )
