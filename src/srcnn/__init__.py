"""SRCNN image super-resolution: images and tensors in, images and tensors out."""
