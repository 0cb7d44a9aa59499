"""The adversarial loss: discriminators, their training, and what shows its success."""
