"""The HTTP side: routes, parameters, documents, pages, and the door that all requests come in by."""
