"""A run: the loop round a trainer, its folder, checkpoints, metrics and evaluations."""
