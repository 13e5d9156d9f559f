"""The generator: messages of all sorts of wrong, by one seed, each with the fate that it must have.

Any bytes; JSON of the wrong shape; right shapes with wrong content; right messages at the wrong moment.
"""

import random
from collections.abc import Sequence

from faults.bad_input.messages import in_bytes, of_properties, of_readings, of_requests, of_states
from faults.bad_input.messages.fates import Message
from faults.bad_input.messages.making import Facts, Kind, Making, Speaker
from faults.bad_input.messages.of_strangers import stranger
from settings import Settings

_ORDERED: tuple[Kind, ...] = (
    *4 * (in_bytes.any_bytes,),
    *4 * (in_bytes.broken_json,),
    *3 * (in_bytes.wrong_outside,),
    *5 * (of_states.wrong_state,),
    *3 * (of_states.wrong_moment,),
    *2 * (of_states.odd_but_lawful,),
    *2 * (of_properties.odd_properties,),
    of_states.unstorable_state,
    of_requests.wrong_event,
    of_requests.wrong_mission_request,
)
_LOSSY: tuple[Kind, ...] = (
    in_bytes.any_bytes_lossy,
    in_bytes.broken_json_lossy,
    of_readings.wrong_reading,
    of_readings.wrong_reading,
    of_readings.unstorable_reading,
)


class Mutations:
    """Makes bad messages, the same for the same seed and the same speakers."""

    def __init__(self, settings: Settings, seed: int, facts: Facts) -> None:
        self._made = Making(settings, random.Random(seed), facts)

    def bad(self, speaker: Speaker) -> Message:
        """The next bad message that this speaker sends."""
        lot = self._made.chance.random()
        if lot < 0.0004:
            return in_bytes.huge(self._made, speaker)
        if lot < 0.22:
            return self._made.chance.choice(_LOSSY)(self._made, speaker)
        if lot < 0.25:
            return of_requests.wrong_question(self._made, speaker)
        if lot < 0.28 and speaker.agent_class == "assistant":
            return of_readings.wrong_sight(self._made, speaker)
        return self._made.chance.choice(_ORDERED)(self._made, speaker)

    def of_a_stranger(self, uuids: Sequence[str]) -> Message:
        """What somebody says under one of these names, over the account that everybody knows."""
        return stranger(self._made, self._made.chance.choice(uuids))

    def of_others(self) -> Message:
        """What comes without a name, in the name of agents that are in a mission or were in one."""
        return of_states.report_of_old(self._made)

    def any_bytes(self, speaker: Speaker) -> Message:
        """No JSON, among the states."""
        return in_bytes.any_bytes(self._made, speaker, ("state",))
