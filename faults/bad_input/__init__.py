"""Bad input in volume: whatever agents, clients and planners send, Muster stays up and says what is wrong."""
