"""What the requests of one server process share."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from crowdmask.infra.db import Database
from crowdmask.infra.passwords import Passwords
from crowdmask.infra.settings import Settings
from crowdmask.infra.storage import LocalStorage
from crowdmask.infra.throttle import Throttle
from crowdmask.web.admission import Admission
from crowdmask.web.events import EventHub
from crowdmask.web.previews import Previews


@dataclass(frozen=True)
class ServerState:
    """Made once by ``app.create_app``; open as long as the process serves."""

    settings: Settings
    database: Database
    storage: LocalStorage
    passwords: Passwords
    throttle: Throttle
    events: EventHub
    admission: Admission
    previews: Previews


def server_state(request: Request) -> ServerState:
    return cast(ServerState, request.app.state.server)


Server = Annotated[ServerState, Depends(server_state)]
