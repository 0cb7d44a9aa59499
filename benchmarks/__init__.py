"""How fast the project is, and what its measures see."""

import pipeline  # noqa: F401  (it puts this checkout's library on the path)
