"""Accounts of agents on RabbitMQ, each with the least it needs (design 6), through the management HTTP API.

An agent declares and reads queues named by the server, publishes under its own uuid and listens to its own keys.
Every topic exchange that an account may reach needs a rule: without one RabbitMQ allows every key.
"""

import asyncio
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import httpx

from fleet.account_import import Account, AccountImport, Rights, somebody_elses
from fleet.topology import (
    AGENT_QUEUE_POLICY,
    AGENT_UUID,
    BOUNDED_QUEUE_POLICY,
    Downlink,
    Uplink,
    agent_queue_policy,
    bounded_queue_policy,
)
from missions.errors import InvalidInput, PartUnavailable
from settings import Settings

ANONYMOUS = "anonymous"
AGENT_TAG = "muster-agent"
"""Tag of the accounts that we made; accounts without it are never touched."""

NOTHING = "^$"
_SERVER_NAMED = r"amq\.gen-.*"
_HTTP_TIMEOUT = 5.0
_MANY = 10
_API = "RabbitMQ's management API"


class BrokerRefused(PartUnavailable):
    """The management API answered, and not with success: this call failed, others may not."""


@dataclass(frozen=True)
class Login:
    """Name and password of an account."""

    username: str
    password: str


def anonymous_rights(settings: Settings) -> Rights:
    """Check in and hear the answer. helyOS's own rules would let it read all check-ins, tokens included."""
    return Rights(
        permissions=(r"^amq\.gen-", f"^({_SERVER_NAMED}|{re.escape(settings.anonymous_exchange)})$", r"^amq\.gen-"),
        topics={settings.anonymous_exchange: (rf"^agent\.[^.]+\.{Uplink.CHECK_IN}$", NOTHING)},
    )


def agent_rights(
    settings: Settings, uuid: str, *, followers: Collection[str] = (), yard_uid: str | None = None
) -> Rights:
    """The rights of one agent.

    `followers`: agents that a leader also speaks for. `yard_uid`: of an assistant or tool, which may also publish the
    yard's sensors. All names are escaped: an agent called `.*` would be every agent.
    """
    own = re.escape(uuid)
    listens = "|".join((Downlink.ASSIGNMENT, Downlink.ORDER, Downlink.INSTANT_ACTIONS))
    uplink, downlink = settings.uplink_exchange, settings.downlink_exchange
    anonymous, stream = settings.anonymous_exchange, settings.stream_exchange
    return Rights(
        permissions=(
            r"^amq\.gen-",
            f"^({_SERVER_NAMED}|{re.escape(uplink)}|{re.escape(anonymous)})$",
            f"^({_SERVER_NAMED}|{re.escape(downlink)}|{re.escape(stream)})$",
        ),
        topics={
            uplink: (_writes(uuid, followers, yard_uid, "[^.]+"), NOTHING),
            anonymous: (rf"^agent\.{own}\.{Uplink.CHECK_IN}$", NOTHING),
            downlink: (NOTHING, rf"^agent\.{own}\.({listens})$"),
            stream: (NOTHING, rf"^agent\.{own}\.{Downlink.STREAM}$"),
        },
    )


def mqtt_rights(
    settings: Settings, uuid: str, *, followers: Collection[str] = (), yard_uid: str | None = None
) -> Rights:
    """The rights of one agent that speaks MQTT: the plugin names its queues by the client's random id.

    One exchange carries both directions there, so what we say to agents is taken out of what they may publish.
    """
    ours = "|".join(Downlink)
    writes = _writes(uuid, followers, yard_uid, rf"(?!({ours})$)[^.]+")
    queues = r"mqtt-subscription-.*"
    exchange = re.escape(settings.mqtt_exchange)
    return Rights(
        permissions=(f"^{queues}$", f"^({queues}|{exchange})$", f"^({queues}|{exchange})$"),
        topics={settings.mqtt_exchange: (writes, rf"^agent\.{re.escape(uuid)}\.({ours})$")},
    )


def _writes(uuid: str, followers: Collection[str], yard_uid: str | None, word: str) -> str:
    speaks_for = "|".join(re.escape(one) for one in (uuid, *followers))
    pattern = rf"agent\.({speaks_for})\.{word}"
    if yard_uid is not None:
        pattern = rf"{pattern}|yard\.{re.escape(yard_uid)}\.{Uplink.SENSORS}"
    return f"^({pattern})$"


class Accounts:
    """The management API of the broker, on the virtual host of the AMQP address."""

    def __init__(self, settings: Settings) -> None:
        url = urlsplit(settings.amqp_url)
        self._settings = settings
        self._vhost = quote(vhost_of(settings.amqp_url), safe="")
        self._own = unquote(url.username or "guest")
        base = settings.amqp_management_url or f"http://{url.hostname or 'localhost'}:15672"
        parts = urlsplit(base)
        login = (unquote(parts.username or self._own), unquote(parts.password or url.password or "guest"))
        host = parts._replace(netloc=parts.netloc.rpartition("@")[2], path="")
        self._http = httpx.AsyncClient(
            base_url=host.geturl() + "/api/", auth=login, timeout=_HTTP_TIMEOUT, trust_env=False
        )

        self._import = AccountImport(self._post_definitions, self._foreign)

    async def close(self) -> None:
        """Close the HTTP connections."""
        await self._http.aclose()

    async def prepare(self) -> None:
        """What every start makes sure of: the anonymous account and the policies of queues."""
        known = await self._call("GET", f"users/{ANONYMOUS}", missing_is_fine=True)
        if not known.is_success:
            # First without a password: agents that just start would log in to an account that has no rights yet.
            await self._put(f"users/{ANONYMOUS}", {"password_hash": "", "tags": AGENT_TAG})
        await self._grant(ANONYMOUS, anonymous_rights(self._settings))
        await self._put(f"users/{ANONYMOUS}", {"password": ANONYMOUS, "tags": AGENT_TAG})
        await self._put(f"policies/{self._vhost}/{AGENT_QUEUE_POLICY}", agent_queue_policy(self._settings))
        await self._put(f"policies/{self._vhost}/{BOUNDED_QUEUE_POLICY}", bounded_queue_policy())

    async def create(
        self, uuid: str, *, username: str | None = None, password: str | None = None, rights: Rights | None = None
    ) -> Login:
        """Make or renew an agent's account, by default named by its uuid with a new random password.

        Raises InvalidInput for an impossible uuid, Conflict if the name belongs to somebody else, PartUnavailable.
        """
        if not AGENT_UUID.fullmatch(uuid):
            raise InvalidInput(
                f"{uuid!r} cannot be an agent's uuid",
                field="uuid",
                value=uuid,
                remedy="use 1 to 64 letters, digits, - and _",
            )
        login = Login(username or uuid, password or secrets.token_urlsafe(24))
        await self._import.add(
            Account(
                username=login.username,
                password=login.password,
                tag=AGENT_TAG,
                vhost=vhost_of(self._settings.amqp_url),
                rights=rights or agent_rights(self._settings, uuid),
            )
        )
        return login

    async def set_rights(self, username: str, rights: Rights) -> None:
        """Change what an account may do."""
        if await self._foreign([username]):
            raise somebody_elses(username)
        await self._grant(username, rights)

    async def _foreign(self, usernames: Collection[str]) -> set[str]:
        """Those that are not ours: an agent that calls itself `guest` must not get the operator's account."""
        if len(usernames) < _MANY:
            paths = [f"users/{quote(username, safe='')}" for username in usernames]
            answers = await asyncio.gather(*(self._call("GET", path, missing_is_fine=True) for path in paths))
            known = [answer.json() for answer in answers if answer.status_code == 200]
        else:  # all accounts in one go: the broker takes about as long for a thousand as for ten single ones
            known = (await self._call("GET", "users?columns=name,tags")).json()
        found = {user["name"] for user in known if AGENT_TAG not in _tags(user)}
        return {*usernames} & {*found, self._own, ANONYMOUS, "guest"}

    async def _grant(self, username: str, rights: Rights) -> None:
        name = quote(username, safe="")
        configure, write, read = rights.permissions
        # Topic rules first: between the two calls an account with permissions and no rules could do everything.
        await asyncio.gather(
            *(
                self._put(
                    f"topic-permissions/{self._vhost}/{name}",
                    {"exchange": exchange, "write": topic_write, "read": topic_read},
                )
                for exchange, (topic_write, topic_read) in rights.topics.items()
            )
        )
        await self._put(f"permissions/{self._vhost}/{name}", {"configure": configure, "write": write, "read": read})

    async def _post_definitions(self, content: dict[str, Any]) -> None:
        await self._call("POST", "definitions", content)

    async def _put(self, path: str, content: dict[str, Any]) -> None:
        await self._call("PUT", path, content)

    async def _call(
        self, method: str, path: str, content: dict[str, Any] | None = None, *, missing_is_fine: bool = False
    ) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, json=content)
        except httpx.HTTPError as error:
            raise PartUnavailable(_API, str(error) or type(error).__name__) from error
        if answer.is_success or (missing_is_fine and answer.status_code == 404):
            return answer
        raise BrokerRefused(_API, f"{method} {path}: {answer.status_code} {answer.text[:300]}")


def _tags(user: dict[str, Any]) -> list[str]:
    tags = user.get("tags", [])
    return tags.split(",") if isinstance(tags, str) else tags  # text: RabbitMQ before 3.9


def vhost_of(amqp_url: str) -> str:
    """The virtual host that an AMQP address names; `/` if it names none."""
    path = urlsplit(amqp_url).path
    return unquote(path[1:]) or "/"
