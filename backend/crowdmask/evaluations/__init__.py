"""Evaluations: masks of submitted work against the reference masks that came with the volumes."""
