"""Annotations: boxes saved as operations (open, submitted, accepted, returned); no edit is ever lost."""
