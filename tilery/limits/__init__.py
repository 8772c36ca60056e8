"""What the work under way may take: time, size of the answer, a slot to compute in."""
