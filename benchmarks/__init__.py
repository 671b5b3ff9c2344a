"""Runnable comparisons. `make bench` runs them all; results and commands are kept in RESULTS.md."""
