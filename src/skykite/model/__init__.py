"""Frozen data that crosses rooms. Pure: nothing here reads a file, a clock or the environment."""
