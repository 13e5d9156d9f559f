"""The activities of mission files: of a run, and of its threads."""
