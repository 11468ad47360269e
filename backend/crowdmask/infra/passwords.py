"""Passwords: argon2id, with a bound on how many are hashed at once, because each takes memory and a core."""

import threading

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from crowdmask.core.errors import ErrorCode, TooMany

AT_ONCE = 2
_WAIT_S = 5.0

DECOY = "$argon2id$v=19$m=65536,t=3,p=4$SckRtFAI91jpb8FOrSOo9A$fmbFrckfXsJmBi/q2jnlWdp9H6PwH15pRldO4U3pjq8"
"""Compared with for a name that does not exist, so that its answer takes as long as any other. Of no account; written down
because making it would take a server's start a good part of a second (a test holds it to today's parameters)."""


class Passwords:
    """Hashes and checks passwords. Thread-safe."""

    def __init__(self) -> None:
        self._hash = PasswordHash((Argon2Hasher(),))
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def hash(self, password: str) -> str:
        """Raises: TooMany: ``rate_limited``, too many are at work."""
        with self._place():
            return self._hash.hash(password)

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one; False after the same time where nothing is stored.

        Raises:
            TooMany: ``rate_limited``, too many are at work.
        """
        with self._place():
            fits = self._hash.verify(password, stored or DECOY)
        return fits and stored is not None

    def _place(self) -> "_Place":
        return _Place(self._places)


class _Place:
    def __init__(self, places: threading.BoundedSemaphore) -> None:
        self._places = places

    def __enter__(self) -> None:
        if not self._places.acquire(timeout=_WAIT_S):
            raise TooMany(
                ErrorCode.RATE_LIMITED,
                "Too many people are signing in at this moment.",
                hint="Try again in a moment.",
                retry_after_s=int(_WAIT_S),
            )

    def __exit__(self, *_error: object) -> None:
        self._places.release()
