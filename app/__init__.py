"""The service: HTTP, processes and command line around the engine of `tilery`."""
