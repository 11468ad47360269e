"""The API and what describes it are the same: the committed OpenAPI document and the TypeScript types made from it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from crowdmask.app import create_app, openapi_json
from crowdmask.infra.settings import Settings
from tests.architecture.checkout import TOP
from tests.conftest import missing

FRONTEND = TOP / "frontend"


def test_the_committed_description_is_the_one_of_the_code() -> None:
    assert (FRONTEND / "openapi.json").read_text(encoding="utf-8") == openapi_json(), "run: make client"


def test_the_committed_types_are_those_of_the_description(tmp_path: Path) -> None:
    program = FRONTEND / "node_modules" / ".bin" / "openapi-typescript"
    if not program.exists() or shutil.which("node") is None:
        missing("what the pages are built with (run: make frontend)")
    made = tmp_path / "schema.d.ts"
    subprocess.run([program, FRONTEND / "openapi.json", "-o", made], check=True, capture_output=True)
    committed = (FRONTEND / "src" / "api" / "schema.d.ts").read_text(encoding="utf-8")
    assert committed == made.read_text(encoding="utf-8"), "run: make client"


def _routes() -> list[APIRoute]:
    found: list[APIRoute] = []
    waiting = list(create_app(Settings.for_folder(Path("not-made"))).routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        waiting += getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", []
        )
    return found


def test_routes_are_found() -> None:
    assert len([route for route in _routes() if route.path.startswith("/")]) > 60


@pytest.mark.parametrize("route", _routes(), ids=lambda route: route.name)
def test_a_route_is_admitted_before_it_asks_who_is_there(route: APIRoute) -> None:
    asked = [dependency.call.__name__ for dependency in route.dependant.dependencies if dependency.call]
    sessions = [n for n, name in enumerate(asked) if name in ("_reading", "_writing")]
    actors = [n for n, name in enumerate(asked) if name in ("current_actor", "current_operator")]
    assert not sessions or not actors or min(sessions) < min(actors), asked
