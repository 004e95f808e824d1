"""Environments: B copies of one task behind ``reset`` and ``step`` in the graph."""
