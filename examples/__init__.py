"""The demo, the demo fleet of `muster up`, and an agent and a planner to start your own from."""
