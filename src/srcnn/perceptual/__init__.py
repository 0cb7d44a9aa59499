"""The perceptual loss on VGG19 features, and perceptual measures."""
