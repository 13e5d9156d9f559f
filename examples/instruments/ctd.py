"""A CTD like the SBE 37: conductivity, temperature and depth, as a stream or one sample at a time."""

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from examples.instruments.instrument import Command, Instrument


class Ctd(Instrument):
    """The instrument. Its water goes up and down by a fixed law: sample n is the same in every run."""

    DEFAULTS: ClassVar[Mapping[str, int | float]] = {
        "INTERVAL": 5,  # seconds between two samples
        "NAVG": 1,  # measurements that make a sample
        "SYNCWAIT": 0,
        "STORETIME": 1,
        "TA0": -2.572242e-04,
        "PTCA0": 1.100266e02,
    }

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.samples = 0

    def actions(self) -> Mapping[str, Callable[[Command], Any]]:
        """Its own commands; values of one they get are let pass."""
        return {
            "ACQUIRE_SAMPLE": lambda _: self.sensors(),
            "ACQUIRE_STATUS": lambda _: {"samples": self.samples, **self.parameters},
            "CLOCK_SYNC": lambda _: None,
        }

    def sensors(self) -> dict[str, Any]:
        """Take a sample: degrees Celsius, S/m, dbar."""
        self.samples += 1
        wave = math.sin(self.samples / 10)
        return {
            "temperature": round(8 + 2 * wave, 4),
            "conductivity": round(3.4 + 0.2 * wave, 5),
            "pressure": round(200 - 50 * wave, 3),
        }
