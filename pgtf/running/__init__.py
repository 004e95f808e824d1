"""A run: the loop around a trainer, its folder, checkpoints, metrics and evaluations."""
