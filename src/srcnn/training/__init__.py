"""The loop, the learner, its losses and optimizers, the validation."""
