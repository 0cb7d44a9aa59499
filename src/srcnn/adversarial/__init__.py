"""The adversarial loss: discriminators, and how one learns beside the network."""
