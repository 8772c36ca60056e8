"""Parameters: one table says what each is called, what it may be and what it means.

Parser, error messages and OpenAPI document are all made from it.
"""
