"""Adapters: environments round other environments, hosted or compiled."""
