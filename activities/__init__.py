"""One file per activity: the only code that acts on the world for a mission."""
