"""What the activities work with; put together in `worker.py`."""

from dataclasses import dataclass

import httpx
from temporalio.client import Client

from activities.service_health import ServiceHealth
from fleet.downlink import Downlink
from fleet.ready_board import ReadyBoard
from settings import Settings
from store.database import Database
from store.wakeups import Waker


@dataclass(frozen=True)
class Parts:
    """The parts of one worker process."""

    settings: Settings
    database: Database
    downlink: Downlink
    waker: Waker
    http: httpx.AsyncClient
    temporal: Client
    ready_board: ReadyBoard
    service_health: ServiceHealth
