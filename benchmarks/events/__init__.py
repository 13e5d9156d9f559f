"""How fast events get out of the log, and what the outlets take from the missions: `python -m benchmarks.events`."""
