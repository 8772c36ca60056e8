"""Every setting of the service, typed and explained."""
