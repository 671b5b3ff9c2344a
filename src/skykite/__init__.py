"""Skykite: full-stack serverless for Python."""
