"""What stands between a request and the work: a place to wait, one render for many, finished answers, entity tags."""
