"""`make bench`: what Muster does beside what the engine alone does, on the same machine in the same minutes."""
