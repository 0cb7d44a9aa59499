"""Reading and writing encoded pictures of every kind."""
