"""Rollouts: policies acting in environments."""
