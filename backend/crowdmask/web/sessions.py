"""The database session of a request: committed before the answer leaves, so that a 200 is never a lie.

``ReadSession`` for GET, ``WriteSession`` for the rest. A session takes its connection with its first statement. A route
names its session before its actor, so that it is admitted before anything is asked of the database (a test looks).
"""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session

from crowdmask.web.state import Server


async def _admitted_to_read(server: Server) -> AsyncIterator[None]:
    async with server.admission.reading():
        yield


async def _admitted_to_write(server: Server) -> AsyncIterator[None]:
    async with server.admission.writing():
        yield


# scope="function": what follows the yield runs before the answer is sent; by default FastAPI would commit after it.
def _reading(
    server: Server, _place: Annotated[None, Depends(_admitted_to_read, scope="function")]
) -> Iterator[Session]:
    with server.database.read() as session:
        yield session


def _writing(
    server: Server, _place: Annotated[None, Depends(_admitted_to_write, scope="function")]
) -> Iterator[Session]:
    with server.database.write() as session:
        yield session


ReadSession = Annotated[Session, Depends(_reading, scope="function")]
WriteSession = Annotated[Session, Depends(_writing, scope="function")]
