"""The ways out of the event log: one process at a time feeds each, and none is ever in a mission's way."""
