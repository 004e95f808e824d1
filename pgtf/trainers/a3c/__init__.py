"""A3C: threads that learn side by side for shared parameters."""
