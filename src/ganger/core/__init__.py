"""Decisions, pure: events in, effects out. No clock, no input or output, no randomness, no logging."""
