"""What is run by `make` and not installed."""
