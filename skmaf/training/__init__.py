"""Training of flows by maximum likelihood."""
