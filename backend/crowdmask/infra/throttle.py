"""How often something may be tried, counted per key (an account, an address) in a sliding window."""

import time

import structlog
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from crowdmask.core.errors import ErrorCode, TooMany

log = structlog.get_logger(__name__)


class Throttle:
    """Counts in this process, or in Redis where several server processes share the counting. While Redis does not
    answer, each process counts for itself: signing in goes on, and is still limited.

    Args:
        storage_url: ``memory://`` or ``redis://...``.
    """

    def __init__(self, storage_url: str = "memory://") -> None:
        options = (
            {} if storage_url.startswith("memory:") else {"socket_connect_timeout": 1, "socket_timeout": 1}
        )
        self._limiter = MovingWindowRateLimiter(
            storage_from_string(storage_url, wrap_exceptions=True, **options)
        )
        self._own = MovingWindowRateLimiter(MemoryStorage())

    def check(self, what: str, key: str, *, times: int, minutes: int = 1) -> None:
        """Count one try of ``what`` by ``key``.

        Raises:
            TooMany: ``rate_limited``, it was tried ``times`` times within the last ``minutes`` already.
        """
        limit = RateLimitItemPerMinute(times, minutes)
        try:
            wait_s = _hit(self._limiter, limit, what, key)
        except StorageError as error:
            log.warning("throttle_alone", error=type(error.storage_error).__name__)
            wait_s = _hit(self._own, limit, what, key)
        if wait_s is None:
            return
        raise TooMany(
            ErrorCode.RATE_LIMITED,
            f"This was tried {times} times within {minutes} min, which is as often as it may be.",
            hint=f"Try again in {wait_s} s.",
            retry_after_s=wait_s,
        )


def _hit(limiter: MovingWindowRateLimiter, limit: RateLimitItemPerMinute, what: str, key: str) -> int | None:
    """Count one try; None when it may be, else in how many seconds the next one may."""
    if limiter.hit(limit, what, key):
        return None
    return max(1, round(limiter.get_window_stats(limit, what, key).reset_time - time.time()))
