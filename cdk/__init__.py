"""Tilery on AWS: the stacks, what they are made from, and what they cost."""
