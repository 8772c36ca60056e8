"""Pixels made into pictures: pure functions of arrays, with one module a picture format."""
