"""MLflow: its store, who owns a run, live reports, the registry; and checkpoints."""
