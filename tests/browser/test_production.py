"""What docker-compose.yml starts, started by hand on PostgreSQL and Redis, carries a task from the browser to its mask."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.admin import AdminPages
from tests.browser.organs import LABELS, organs_of
from tests.browser.platform import production_platform
from tests.browser.steps import box_by_mouse, join
from tests.browser.workspace import Workspace

if TYPE_CHECKING:
    from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.slow


@pytest.mark.postgres
@pytest.mark.redis
def test_the_processes_of_production_carry_a_task_from_the_browser_to_its_mask(
    site: None,
    open_page: "OpenPage",
    sample_data: Path,
    migrated_postgresql: str,
    postgresql_server: "object",
    redis_url: str,
    tmp_path: Path,
) -> None:
    organs = organs_of(sample_data, tmp_path, only=slice(60, 84))
    database_url = postgresql_server.url_of(migrated_postgresql)  # type: ignore[attr-defined]
    try:
        with production_platform(
            tmp_path / "data", database_url=database_url, redis_url=redis_url
        ) as production:
            admin = AdminPages(open_page(), production.url)
            admin.sign_in(production.admin_link)
            admin.create_project("Kidney", LABELS[:1])
            admin.upload(organs.ct, name="CT 1")
            person = join(open_page(), admin.invite(note="Eva"), "Eva")
            admin.hand_out("right kidney in CT 1")
            person.get_by_role("button", name="Next task").click()
            box_by_mouse(Workspace(person), organs.boxes["right kidney"])
            Workspace(person).mask_is_ready()
    finally:
        postgresql_server.empty(migrated_postgresql)  # type: ignore[attr-defined]
