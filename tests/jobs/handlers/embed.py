"""Jobs of kind embed, as the tests want them."""

from tests.jobs.handlers.behaviour import handle

__all__ = ["handle"]
