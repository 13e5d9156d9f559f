"""Gives agents' accounts the rights that they have now, soon after something changed them.

A leader named its followers, a tool moved to another yard: the change is committed with a note, which stays until the
broker has taken it. Until then the intake refuses what is not allowed any more, but for MQTT: there the broker alone
vouches for who speaks.
"""

import logging

from fleet.account_import import Rights
from fleet.accounts import Accounts, BrokerRefused, agent_rights, mqtt_rights
from fleet.notified_loop import NotifiedLoop
from missions.errors import PartUnavailable, UserError
from settings import Settings
from store import account_rights
from store.account_rights import Standing
from store.database import Database

log = logging.getLogger(__name__)

_BATCH = 20


def rights_of(settings: Settings, standing: Standing) -> Rights:
    """The rights of an agent that stands so."""
    rights = mqtt_rights if standing.protocol == "MQTT" else agent_rights
    return rights(settings, standing.uuid, followers=standing.followers, yard_uid=standing.yard_uid)


class AccountRights(NotifiedLoop):
    """A loop of the intake; of any number one works at a time."""

    def __init__(self, settings: Settings, database: Database, accounts: Accounts) -> None:
        super().__init__(database, account_rights.CHANNEL, "rights of accounts")
        self._settings = settings
        self._accounts = accounts

    async def _work(self) -> bool:
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
