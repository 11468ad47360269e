"""The preview service: who is let in, who waits, who is told to come again."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from starlette.testclient import TestClient

from crowdmask.core.geometry import Box
from crowdmask.core.preview import SECRET_HEADER, SECRET_PURPOSE, Preview, PreviewRequest
from crowdmask.core.region import MaskRegion
from crowdmask.core.windowing import CT_ABDOMEN
from crowdmask.infra.security import derived_secret
from crowdmask.infra.settings import Settings
from crowdmask_worker.preview import LONGEST_QUEUE, Desk, Overloaded, create_app
from tests import loops

NOTHING = Preview(MaskRegion.of(np.zeros((2, 2), dtype=bool)), (0.5,))


def request(asker: str = "ann", *, pack_sha256: str = "0" * 64) -> PreviewRequest:
    return PreviewRequest(asker, pack_sha256, 2, CT_ABDOMEN, (Box(10, 14, 31, 35),))


class Held:
    """A predictor that computes when it is let, and knows what it was asked."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.computed: list[PreviewRequest] = []

    def preview(self, request: PreviewRequest) -> Preview:
        self.may_go.wait(10)
        self.computed.append(request)
        return NOTHING


def at_the_desk(visit: Callable[[Desk, Held], Awaitable[None]]) -> None:
    held = Held()
    desk = Desk(held)

    async def run() -> None:
        try:
            await visit(desk, held)
        finally:
            held.may_go.set()
            desk.close()

    loops.run(run())


def ask(desk: Desk, asker: str) -> asyncio.Task[Preview]:
    return asyncio.ensure_future(desk.ask(request(asker)))


def test_a_newer_box_of_a_person_takes_the_place_of_the_one_that_still_waits() -> None:
    async def visit(desk: Desk, held: Held) -> None:
        first = ask(desk, "somebody")
        older = ask(desk, "ann")
        await asyncio.sleep(0.05)
        newer = ask(desk, "ann")
        with pytest.raises(Overloaded):
            await older
        held.may_go.set()
        assert await first == await newer == NOTHING
        assert [one.asker for one in held.computed] == ["somebody", "ann"]

    at_the_desk(visit)


def test_when_too_many_wait_the_next_one_is_sent_away_at_once() -> None:
    async def visit(desk: Desk, held: Held) -> None:
        waiting = [ask(desk, f"person {n}") for n in range(LONGEST_QUEUE)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await ask(desk, "one more")
        held.may_go.set()
        assert await asyncio.gather(*waiting) == [NOTHING] * LONGEST_QUEUE

    at_the_desk(visit)


def test_what_waited_longer_than_anybody_does_is_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crowdmask_worker.preview.PATIENCE_S", 0.05)

    async def visit(desk: Desk, held: Held) -> None:
        first, second = ask(desk, "ann"), ask(desk, "ben")
        await asyncio.sleep(0.2)
        held.may_go.set()
        assert await first == NOTHING
        with pytest.raises(Overloaded):
            await second
        assert [one.asker for one in held.computed] == ["ann"]

    at_the_desk(visit)


@pytest.fixture
def service(settings: Settings) -> TestClient:
    secret = derived_secret(settings.secret_path, SECRET_PURPOSE)
    return TestClient(create_app(settings), headers={SECRET_HEADER: secret})


def test_only_who_knows_the_secret_is_answered(service: TestClient) -> None:
    for wrong in ("", "0" * 64):
        answer = service.post("/preview", json=request().to_json(), headers={SECRET_HEADER: wrong})
        assert (answer.status_code, answer.content) == (401, b"")
    assert service.get("/health").text == "ok"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"asker": 1, "boxes": [[1]]}', b"\xff"])
def test_what_is_no_request_is_refused(service: TestClient, body: bytes) -> None:
    assert service.post("/preview", content=body).status_code == 422


def test_a_volume_that_is_not_there_is_not_ready(service: TestClient) -> None:
    answer = service.post("/preview", json=request().to_json())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


def test_without_its_model_it_says_so_and_stays(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"model": "sam-vit-h"}))
    secret = derived_secret(settings.secret_path, SECRET_PURPOSE)
    client = TestClient(app, headers={SECRET_HEADER: secret})
    for _ in range(2):
        assert client.post("/preview", json=request().to_json()).status_code == 503
    assert client.get("/health").status_code == 200
