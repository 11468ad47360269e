"""Many clients at once on a real server, on both databases: nobody gets an error, and no save is lost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from crowdmask.infra.db import Database
from crowdmask.models import Annotation
from tests import studies
from tests.api.progress.live import LiveServer, serving
from tests.api.server import AppServer
from tests.studies import Work

_PEOPLE, _SAVES = 50, 3


def _operation(n: int) -> dict[str, Any]:
    keyframe = {"box": [4, 5, 20, 25], "source": "drawn"}
    return {"op": "add_track", "track": f"t{n}", "first": 1, "last": 1, "keyframes": {"1": keyframe}}


def _save(client: Any, work: Work, n: int, *, revision: int) -> Any:
    return client.post(
        f"/api/v1/annotations/{work.annotation_id}/operations",
        headers={"If-Match": f'"{revision}"', "Idempotency-Key": f"{work.annotation_id}-{n}"},
        json={"volume_sha256": work.volume_sha256, "operations": [_operation(n)]},
    )


def test_a_hundred_and_twenty_readers_and_fifty_savers_get_no_error(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database, people=_PEOPLE, tasks=_PEOPLE)
    works = [studies.begin(database, study, actor) for actor in study.annotators]
    with serving(server) as live:
        reader = live.client(study.admin)
        savers = [(live.client(work.actor), work) for work in works]

        def read(_n: int) -> int:
            return reader.get(f"/api/v1/projects/{study.project_id}/tasks").status_code

        def save(saver: tuple[Any, Work]) -> list[int]:
            client, work = saver
            return [_save(client, work, n, revision=n).status_code for n in range(_SAVES)]

        with ThreadPoolExecutor(120 + _PEOPLE) as threads:
            reads = [threads.submit(read, n) for n in range(120)]
            saves = [threads.submit(save, saver) for saver in savers]
            assert {future.result() for future in reads} == {200}
            assert [future.result() for future in saves] == [[200] * _SAVES] * _PEOPLE
    with database.read() as session:
        for work in works:
            assert session.get_one(Annotation, work.annotation_id).revision == _SAVES


def test_two_clients_edit_one_slice_and_one_is_told_of_the_other(
    server: AppServer, database: Database
) -> None:
    study = studies.make_study(database)
    work = studies.begin(database, study, study.annotators[0])
    with serving(server) as live, ThreadPoolExecutor(2) as threads:
        both = _both(live, work, threads)
    assert sorted(answer.status_code for answer in both) == [200, 412]
    (stale,) = (answer.json() for answer in both if answer.status_code == 412)
    assert (stale["current_revision"], [batch["revision"] for batch in stale["since"]]) == (1, [1])


def _both(live: LiveServer, work: Work, threads: ThreadPoolExecutor) -> list[Any]:
    clients = [live.client(work.actor) for _ in range(2)]
    futures = [threads.submit(_save, client, work, n, revision=0) for n, client in enumerate(clients)]
    return [future.result() for future in futures]
