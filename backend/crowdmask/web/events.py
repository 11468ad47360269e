"""Server-sent events: one poller per process reads what changed, every second, and fans it out to the subscribers.

A stream holds no thread and no database connection. What is asked of the database, and who may see an answer, is the
feature's business (``progress.changes``): the hub only knows times, subjects and queues.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from anyio import to_thread
from fastapi.sse import ServerSentEvent

POLL_S = 1.0
# A transaction that took this long to commit after it wrote its time is still seen.
OVERLAP_S = 5.0
_LONGEST_QUEUE = 1000

__all__ = ["Change", "EventHub", "ServerSentEvent"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Change:
    """A row that was changed.

    Attributes:
        event: name of the event: ``job``, ``task``.
        project_id: of the project it belongs to.
        account_id: the person whose work it is; None where it is nobody's own.
        changed_at: the row's ``updated_at``.
        content: what the subscriber is told, as JSON.
    """

    event: str
    subject_id: UUID
    project_id: UUID
    account_id: UUID | None
    changed_at: datetime
    content: dict[str, Any]

    @property
    def id(self) -> str:
        """For ``Last-Event-ID``: a time, so that a client that comes back is told what it missed."""
        return self.changed_at.isoformat()

    def sent(self) -> ServerSentEvent:
        """As it goes to the client."""
        return ServerSentEvent(event=self.event, id=self.id, data=self.content)


Look = Callable[[datetime], Sequence[Change]]
"""The changes at or after a time, oldest first; run in a thread."""


@dataclass(eq=False)
class _Subscriber:
    wants: Callable[[Change], bool]
    queue: "asyncio.Queue[Change]"


class EventHub:
    """The poller and its subscribers; lives in the event loop of the server."""

    def __init__(self, look: Look, clock: Callable[[], datetime]) -> None:
        self._look = look
        self._clock = clock
        self._subscribers: set[_Subscriber] = set()

    async def run(self) -> None:
        """Poll until cancelled. Nothing is asked of the database while nobody listens."""
        seen: dict[tuple[str, UUID], datetime] = {}
        since: datetime | None = None
        while True:
            await asyncio.sleep(POLL_S)
            if not self._subscribers:
                since = None
                continue
            try:
                if since is None:
                    since = await to_thread.run_sync(self._clock)
                changes = await to_thread.run_sync(self._look, since - timedelta(seconds=OVERLAP_S))
            except Exception as error:  # it has to outlive every fault of the database
                log.warning("events_failed", error=type(error).__name__)
                continue
            for change in changes:
                key = (change.event, change.subject_id)
                if seen.get(key) != change.changed_at:
                    seen[key] = change.changed_at
                    self._tell(change)
                since = max(since, change.changed_at)
            horizon = since - timedelta(seconds=2 * OVERLAP_S)
            seen = {key: at for key, at in seen.items() if at >= horizon}

    def _tell(self, change: Change) -> None:
        for subscriber in tuple(self._subscribers):
            if subscriber.wants(change):
                if subscriber.queue.full():  # who does not read loses the oldest; a reload shows everything
                    subscriber.queue.get_nowait()
                subscriber.queue.put_nowait(change)

    async def subscribe(
        self, wants: Callable[[Change], bool], *, since: datetime | None = None, pulse_s: float | None = None
    ) -> AsyncGenerator[Change | None, None]:
        """Changes that ``wants`` says yes to: those after ``since`` first, then those to come.

        What was changed shortly before ``since`` may come once more: a transaction that was slow to commit is then not
        lost. Close the iterator to end the subscription.

        Args:
            pulse_s: yield None after so many seconds without a change, so that the subscriber can look around.
        """
        subscriber = _Subscriber(wants, asyncio.Queue(_LONGEST_QUEUE))
        self._subscribers.add(subscriber)
        try:
            if since is not None:
                missed = partial(self._look, since - timedelta(seconds=OVERLAP_S))
                for change in await to_thread.run_sync(missed):
                    if change.changed_at != since and wants(change):
                        yield change
            while True:
                try:
                    async with asyncio.timeout(pulse_s):
                        told = await subscriber.queue.get()
                except TimeoutError:
                    yield None
                else:
                    yield told
        finally:
            self._subscribers.discard(subscriber)
