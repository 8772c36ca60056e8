"""What the operator sees of the service."""
