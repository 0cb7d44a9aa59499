"""How good SR is: the table of measures, the protocol they are taken by, and statistics."""
