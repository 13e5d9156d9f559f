"""The search attributes of missions, as the Temporal UI filters them.

`MissionStatus` is upserted only where a mission leaves the good path: an upsert takes as much of the engine's time as
three activities (measured), a success shows in Temporal's own status, and the exact status in the API.
"""

from temporalio.common import SearchAttributeKey

MISSION_TYPE = SearchAttributeKey.for_keyword("MissionType")
YARD = SearchAttributeKey.for_keyword("Yard")
MISSION_PRIORITY = SearchAttributeKey.for_int("MissionPriority")
# Given at the start, or once those that the system chose are ready. As many as fit into 2,048 bytes
# (store/work_processes.py): more than that the server refuses.
AGENTS = SearchAttributeKey.for_keyword_list("Agents")
MISSION_STATUS = SearchAttributeKey.for_keyword("MissionStatus")
# Of a queue's own run, and of the missions in it: the queue's id.
MISSION_QUEUE = SearchAttributeKey.for_keyword("MissionQueue")

ALL_KEYS = (MISSION_TYPE, YARD, MISSION_PRIORITY, AGENTS, MISSION_STATUS, MISSION_QUEUE)
