"""Two experiments side by side, from what MLflow holds of them."""
