"""What a process is given: memory and cores of the container, workers, shared memory, start and stop."""
