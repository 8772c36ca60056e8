"""HTTP: parameters parsed once, routes, documents, pages, and errors as problem documents."""
