"""Degradation, LR/HR pairs and their split."""
