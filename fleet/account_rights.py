"""Gives agents' accounts the rights that they have now, soon after something changed them.

A leader named its followers, a tool moved to another yard: the change is committed with a note, which stays until the
broker has taken it. Until then the intake refuses what is not allowed any more, but for MQTT: there the broker alone
vouches for who speaks.
"""

import asyncio
import contextlib
import logging

from fleet.account_import import Rights
from fleet.accounts import Accounts, BrokerRefused, agent_rights, mqtt_rights
from missions.errors import PartUnavailable, UserError
from settings import Settings
from store import account_rights
from store.account_rights import Standing
from store.database import Database
from store.notifications import listening

log = logging.getLogger(__name__)

_LOOK_AGAIN = 2.0
"""Seconds after which it looks unasked: a notification may be missed."""
_PAUSE = 1.0
_BATCH = 20


def rights_of(settings: Settings, standing: Standing) -> Rights:
    """The rights of an agent that stands so."""
    rights = mqtt_rights if standing.protocol == "MQTT" else agent_rights
    return rights(settings, standing.uuid, followers=standing.followers, yard_uid=standing.yard_uid)


class AccountRights:
    """A loop of the intake; of any number one works at a time."""

    def __init__(self, settings: Settings, database: Database, accounts: Accounts) -> None:
        self._settings = settings
        self._database = database
        self._accounts = accounts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop."""
        self._task = asyncio.create_task(self._run(), name="rights of accounts")

    async def stop(self) -> None:
        """Stop it; what is in hand is done again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                async with listening(self._database, account_rights.CHANNEL) as listener:
                    while True:
                        while await self._set_due():
                            pass
                        await listener.wait(_LOOK_AGAIN)
            except PartUnavailable as error:
                log.warning("rights of accounts wait: %s", error)
            except Exception:
                # A loop that ended would stay unnoticed until somebody misses its work.
                log.exception("setting rights of accounts failed; it goes on")
            await asyncio.sleep(_PAUSE)

    async def _set_due(self) -> bool:
        """Set the rights of a few; returns whether there may be more to set at once."""
        # Two that set one account could cross.
        async with account_rights.turn(self._database) as mine:
            if not mine:
                return False
            async with self._database.transaction() as connection:
                due = await account_rights.due(connection, _BATCH)
            done = [await self._set(standing) for standing in due]
        return len(due) == _BATCH and any(done)

    async def _set(self, standing: Standing) -> bool:
        """One account; what is wrong with it must not keep the others waiting."""
        set_ = True
        try:
            await self._accounts.set_rights(standing.username, rights_of(self._settings, standing))
        except UserError as error:  # not one of ours after all
            log.warning("the rights of agent %s stay as they are: %s", standing.uuid, error)
        except BrokerRefused as error:
            log.warning("the rights of agent %s could not be set, and are tried again: %s", standing.uuid, error)
            set_ = False
        except PartUnavailable:
            raise
        except Exception:
            # One account must not keep the others from their rights: it goes behind them.
            log.exception("the rights of agent %s could not be set, and are tried again", standing.uuid)
            set_ = False
        async with self._database.transaction() as connection:
            await (account_rights.done if set_ else account_rights.postpone)(connection, standing)
        return set_
