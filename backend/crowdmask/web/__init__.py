"""FastAPI plumbing that knows no feature: sessions, errors as problem+json, headers, conditions, pages, uploads, events."""
