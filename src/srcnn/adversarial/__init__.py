"""The adversarial loss: discriminators, how one learns beside the network, and what shows success."""
