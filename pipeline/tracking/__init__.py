"""MLflow: its store, live reports, publication, the registry."""
