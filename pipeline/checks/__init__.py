"""What stages would stop at, known before their work: one function `before_...` for each."""
