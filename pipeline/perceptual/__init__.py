"""The perceptual loss of train, and the perceptual measures of evaluate."""
