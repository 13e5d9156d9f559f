"""Simulated instruments and a platform: for the demo of mission files and for tests."""
