"""Training as stages do it: from parameters, with checkpoints, in one or several processes."""
