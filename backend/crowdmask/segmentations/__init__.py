"""Segmentations: masks made by the worker from submitted annotations, with their provenance."""
