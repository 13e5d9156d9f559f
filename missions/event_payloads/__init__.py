"""What the events of each family carry: a model for each type (missions/event_catalogue.py says when they come)."""
