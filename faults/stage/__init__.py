"""A whole Muster, each part in a process of its own that can be killed, behind a network that can fail."""
