"""What an operator sees: logs without secrets, metrics of all workers, traces."""
