"""The command srcnn: upscale, export, demo."""
