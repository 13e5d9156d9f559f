"""Deterministic mission logic: decides and waits. No I/O, and no import of ours but `missions`."""
