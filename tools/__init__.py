"""Scripts that make files of this repository; run by hand when what they are made of changes."""
