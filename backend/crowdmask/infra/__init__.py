"""Adapters: each knows a library and no feature."""
