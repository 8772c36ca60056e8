"""What stands between a request and the work: admission, flights, caches, entity tags."""
