"""Learning: targets, losses, critics, baselines and the steps of the optimizer."""
