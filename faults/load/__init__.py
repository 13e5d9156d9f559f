"""Missions of all kinds, and those who ask for them."""
