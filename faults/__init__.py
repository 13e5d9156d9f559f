"""Faults on real processes: what dies, what Muster does then, how long it takes. `make faults` runs them."""
