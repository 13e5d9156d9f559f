"""How Muster uses Temporal: the client, search attributes, the delivery of wake-ups, the relay."""
