"""What `evaluate` scores by: test sets, and the measures that can be taken here."""
