"""How many requests hold a database session at once. The others wait in the event loop, first come, first served.

A request takes a thread for each of its steps and keeps its session, so its connection, in between. If more requests
held a session than there are threads, all threads could be waiting for what a request holds that waits for a thread.
On SQLite one request writes at a time: waiting in line here is fair, and waiting inside SQLite is not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

SESSIONS_AT_ONCE = 32
"""Below the connections of the pool: the poller, the reconciler, the collector and the check of who asks need some as well."""


@dataclass(frozen=True)
class _Places:
    sessions: asyncio.Semaphore
    writers: asyncio.Semaphore


class Admission:
    """The places of one server process.

    Args:
        one_writer: whether the database lets only one transaction write at a time.
    """

    def __init__(self, *, one_writer: bool) -> None:
        self._writers = 1 if one_writer else SESSIONS_AT_ONCE
        # What waits belongs to an event loop. A server has one; tests begin a new one for each request.
        self._of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Places] = WeakKeyDictionary()

    def _places(self) -> _Places:
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            self._of_loop[loop] = _Places(
                asyncio.Semaphore(SESSIONS_AT_ONCE), asyncio.Semaphore(self._writers)
            )
        return self._of_loop[loop]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        async with self._places().sessions:
            yield

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        places = self._places()
        async with places.writers, places.sessions:
            yield
