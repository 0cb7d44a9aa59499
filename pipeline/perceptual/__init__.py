"""The perceptual loss of train, and the measures of evaluate."""
