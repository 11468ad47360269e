"""The application, for faults that come in by HTTP."""

from tests.api.conftest import _plain_tracebacks, server

__all__ = ["_plain_tracebacks", "server"]
