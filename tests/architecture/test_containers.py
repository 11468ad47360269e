"""The compose file and the Dockerfiles, as far as they can be judged without a container engine."""

import importlib.util
import json
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from crowdmask import cli
from crowdmask.infra.settings import Settings
from crowdmask.models import Queue
from crowdmask.web import site
from crowdmask.web.uploads import LARGEST_FILE
from tests.architecture.checkout import TOP

COMPOSE = TOP / "docker-compose.yml"
CADDYFILE = TOP / "deploy" / "Caddyfile"
DOCKERFILES = sorted(TOP.glob("*/Dockerfile"))
REQUIRED = {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "CROWDMASK_HOSTNAME"}

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT, "minItems": 1}
_CONDITION = {"enum": ["service_started", "service_healthy", "service_completed_successfully"]}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


_HEALTH_CHECK = {
    "oneOf": [
        _closed({"disable": {"const": True}}, "disable"),
        _closed(
            {
                "test": _TEXTS,
                "retries": {"type": "integer", "minimum": 1},
                **{name: {"pattern": r"^\d+s$"} for name in ("interval", "timeout", "start_period")},
            },
            "test",
            "interval",
            "timeout",
            "retries",
        ),
    ]
}
_DEVICES = {
    "type": "array",
    "items": _closed(
        {"driver": {"const": "nvidia"}, "count": {"type": "integer"}, "capabilities": {"const": ["gpu"]}},
        "driver",
        "count",
        "capabilities",
    ),
}
_SERVICE = _closed(
    {
        "image": {"pattern": r"^[a-z-]+(:[\w.-]+)?$"},
        "build": _closed(
            {"context": {"const": "."}, "dockerfile": _TEXT, "target": _TEXT}, "context", "dockerfile"
        ),
        "command": {"type": "array", "items": _TEXT},
        "restart": {"enum": ["no", "unless-stopped"]},
        "environment": {"type": "object", "additionalProperties": _TEXT},
        "volumes": {"type": "array", "items": {"pattern": r"^([a-z]+:/[\w/]+|\./[\w/]+:/[\w/]+:ro)$"}},
        "ports": {"type": "array", "items": {"pattern": r"^(80:80|443:443(/udp)?)$"}},
        "profiles": _TEXTS,
        "shm_size": {"pattern": r"^\d+gb$"},
        "deploy": _closed(
            {
                "resources": _closed(
                    {"reservations": _closed({"devices": _DEVICES}, "devices")}, "reservations"
                )
            },
            "resources",
        ),
        "depends_on": {
            "type": "object",
            "additionalProperties": _closed({"condition": _CONDITION}, "condition"),
        },
        "healthcheck": _HEALTH_CHECK,
        "stop_grace_period": {"pattern": r"^\d+s$"},
    },
    "image",
    "restart",
    "healthcheck",
)
# The part of the compose specification that the file uses; a misspelt or misplaced key fails.
SCHEMA = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "services": {"type": "object", "additionalProperties": _SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["name", "services", "volumes"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return document


def test_the_compose_file_fits_its_schema(compose: dict[str, Any]) -> None:
    errors = [
        f"{error.json_path}: {error.message}" for error in Draft202012Validator(SCHEMA).iter_errors(compose)
    ]
    assert not errors


def test_no_secret_has_a_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    used = re.findall(r"\$\{?(\w+)([^}]*)\}?", text)
    assert {name for name, _ in used} == REQUIRED
    assert all(rest.startswith(":?") for _, rest in used), "a variable must be required with :?"
    assert not re.search(
        r"(?i)(password|secret|token)\w*: *[\"']?[^\s\"'$#]", re.sub(r"\$\{[^}]*\}", "$", text)
    )


def test_what_services_depend_on_exists_and_can_become_healthy(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            checked = "test" in services[name]["healthcheck"]
            assert checked or wanted["condition"] == "service_completed_successfully", name


def test_volumes_that_services_use_are_declared(compose: dict[str, Any]) -> None:
    used = {
        entry.split(":")[0]
        for service in compose["services"].values()
        for entry in service.get("volumes", [])
        if not entry.startswith("./")
    }
    assert used == set(compose["volumes"])


def test_files_that_services_mount_exist(compose: dict[str, Any]) -> None:
    mounted = [
        entry.split(":")[0]
        for service in compose["services"].values()
        for entry in service.get("volumes", [])
        if entry.startswith("./")
    ]
    assert mounted
    assert all((TOP / name).is_file() for name in mounted)


def test_only_the_proxy_publishes_ports(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["proxy"]


def test_the_proxy_forwards_to_the_port_on_which_the_server_listens(compose: dict[str, Any]) -> None:
    environment = compose["services"]["backend"]["environment"]
    caddy = CADDYFILE.read_text(encoding="utf-8")
    assert f"backend:{environment['CROWDMASK_PORT']}}} {{" in caddy
    assert f":{environment['CROWDMASK_PORT']}/api/v1/health" in " ".join(
        compose["services"]["backend"]["healthcheck"]["test"]
    )
    filled = {
        name.lower().removeprefix("crowdmask_"): re.sub(
            r"\$\{CROWDMASK_HOSTNAME[^}]*\}", "example.org", value
        )
        for name, value in environment.items()
    }
    settings = Settings(**filled)
    assert settings.is_https
    assert settings.base_url == "https://example.org"


def test_the_proxy_lets_the_largest_file_and_events_through_and_leaves_the_api_as_it_is() -> None:
    caddy = CADDYFILE.read_text(encoding="utf-8")
    assert f"max_size {LARGEST_FILE // 1024**3}GiB" in caddy
    assert "flush_interval -1" in caddy
    assert "@pages not path /api/*" in caddy
    assert re.findall(r"^\tencode (\S+)", caddy, flags=re.MULTILINE) == ["@pages"]


@pytest.mark.parametrize("page", [CADDYFILE, TOP / "docs" / "deploy.md"], ids=lambda path: path.name)
def test_braces_of_configurations_of_proxies_are_balanced(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("{") == text.count("}")


def test_images_of_others_name_a_version_and_a_distribution(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            assert re.search(r":\d+(\.\d+)*-[a-z]+$", service["image"]), service["image"]


def test_each_built_service_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" in service:
            assert (TOP / service["build"]["dockerfile"]).is_file()
            _check_program(service["command"])


def test_services_set_only_settings_that_exist(compose: dict[str, Any]) -> None:
    known = {f"CROWDMASK_{name.upper()}" for name in Settings.model_fields}
    for service in compose["services"].values():
        if "build" not in service:
            continue
        given = {name for name in service.get("environment", {}) if name.startswith("CROWDMASK_")}
        assert given <= known


def test_every_queue_has_a_worker(compose: dict[str, Any]) -> None:
    served = {
        queue
        for service in compose["services"].values()
        if "crowdmask_worker" in service.get("command", [])
        for queue in service["command"][-1].split(",")
    }
    assert served == set(Queue)


def test_without_a_profile_every_queue_with_jobs_has_a_worker(compose: dict[str, Any]) -> None:
    served = {
        queue
        for service in compose["services"].values()
        if "crowdmask_worker" in service.get("command", []) and "profiles" not in service
        for queue in service["command"][-1].split(",")
    }
    assert served == {Queue.CPU, Queue.GPU}


def _instructions(path: Path) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments) of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1]) for line in lines]


@dataclass(frozen=True)
class _Stage:
    name: str
    base: str
    steps: tuple[tuple[str, str], ...]


def _stages(path: Path) -> list[_Stage]:
    stages: list[_Stage] = []
    for name, arguments in _instructions(path):
        if name == "FROM":
            base, _, alias = arguments.partition(" AS ")
            stages.append(_Stage(alias, base, ()))
        else:
            stages[-1] = replace(stages[-1], steps=(*stages[-1].steps, (name, arguments)))
    return stages


def _all_steps(stages: list[_Stage], stage: _Stage) -> list[tuple[str, str]]:
    """The instructions of a stage and of the stages that it is based on, in order."""
    base = [other for other in stages if other.name == stage.base]
    return [*(_all_steps(stages, base[0]) if base else []), *stage.steps]


def _images(path: Path) -> list[list[tuple[str, str]]]:
    """All instructions of each image that a Dockerfile makes: its stages with a program to run."""
    stages = _stages(path)
    return [_all_steps(stages, stage) for stage in stages if any(name == "CMD" for name, _ in stage.steps)]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_keeps_the_rules(path: Path) -> None:
    stages = _stages(path)
    names = {stage.name for stage in stages}
    for name, arguments in _instructions(path):
        assert name in {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "VOLUME", "USER", "EXPOSE", "CMD"}, (
            "no ADD, no ARG"
        )
        if name == "FROM":
            base = arguments.split(" AS ")[0]
            assert base in names or re.fullmatch(
                r"python:\d+\.\d+(\.\d+)?-slim-\w+|node:\d+-\w+-slim", base
            ), "the base names a version"
        if name == "RUN":
            assert not re.search(r"curl|wget|https?://|sudo|chmod 777", arguments)
            if "pip install" in arguments:
                assert "-c constraints.txt" in arguments
            assert "npm install" not in arguments, "npm ci takes the versions that were tested"
        if name == "ENV":
            assert not re.search(r"(?i)password|secret|token", arguments)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_no_image_runs_as_root_and_signals_reach_its_program(path: Path) -> None:
    images = _images(path)
    assert images
    for steps in images:
        users = [arguments for name, arguments in steps if name == "USER"]
        assert users, "the image would run as root"
        assert users[-1] not in ("root", "0")
        assert steps[-1][0] == "CMD"
        assert steps[-1][1].startswith("["), "the exec form, so that signals reach the program"


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_an_image_runs_exists(path: Path) -> None:
    for steps in _images(path):
        _check_program(json.loads(steps[-1][1]))


def _check_program(command: list[str]) -> None:
    program, *arguments = command
    if program == "crowdmask":
        assert arguments[0] in typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
        return
    assert [program, arguments[0]] == ["python", "-m"]
    if arguments[1] == "crowdmask_worker.preview":
        assert arguments[2:] == ["--host", "0.0.0.0", "--port", "8100"]
        return
    assert importlib.util.find_spec(f"{arguments[1]}.__main__") is not None
    assert arguments[2] == "--queues"
    assert {Queue(queue) for queue in arguments[3].split(",")}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_what_a_dockerfile_copies_exists_and_is_in_the_build_context(path: Path) -> None:
    stages = [stage.name for stage in _stages(path)]
    for name, arguments in _instructions(path):
        if name != "COPY":
            continue
        *sources, _ = arguments.split()
        if sources[0].startswith("--from="):
            assert sources[0].removeprefix("--from=") in stages
            continue
        for source in sources:
            assert (TOP / source).exists(), source
            assert not _left_out(source), source


def test_the_pages_are_copied_to_where_the_installed_server_looks_for_them() -> None:
    (copied,) = (
        arguments
        for name, arguments in _instructions(TOP / "backend" / "Dockerfile")
        if name == "COPY" and arguments.startswith("--from=pages")
    )
    _, source, target = copied.split()
    assert source == "/source/dist"
    assert 'outDir: "dist"' in (TOP / "frontend" / "vite.config.ts").read_text(encoding="utf-8")
    (python,) = {
        stage.base.removeprefix("python:").split("-")[0]
        for stage in _stages(TOP / "backend" / "Dockerfile")
        if stage.base.startswith("python:")
    }
    assert target == f"/opt/crowdmask/lib/python{python}/site-packages/crowdmask/_site"
    assert '"_site"' in Path(site.__file__).read_text(encoding="utf-8")


def test_the_images_that_compose_builds_are_stages_of_their_dockerfiles(compose: dict[str, Any]) -> None:
    images: dict[str, set[tuple[str, str | None]]] = {}
    for service in compose["services"].values():
        if "build" in service:
            build = service["build"]
            stages = _stages(TOP / build["dockerfile"])
            assert "target" not in build or build["target"] in {stage.name for stage in stages}
            images.setdefault(service["image"], set()).add((build["dockerfile"], build.get("target")))
    assert all(len(ways) == 1 for ways in images.values()), "one name, one way to build it"


def test_dockerfiles_are_found() -> None:
    assert [path.parent.name for path in DOCKERFILES] == ["backend", "worker"]


def _left_out(name: str) -> bool:
    """Whether .dockerignore leaves a path out: the last line that fits it or a folder above it decides."""
    left_out = False
    parts = name.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in (TOP / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        anywhere = pattern.removeprefix("**/")
        fits = [
            fnmatch(PurePosixPath(path).name, anywhere) if anywhere != pattern else fnmatch(path, pattern)
            for path in above
        ]
        if any(fits):
            left_out = not line.strip().startswith("!")
    return left_out


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        ("pyproject.toml", False),
        ("alembic/env.py", False),
        ("backend/crowdmask/app.py", False),
        ("worker/crowdmask_ml/segment.py", False),
        ("frontend/src/app/app.tsx", False),
        ("frontend/package-lock.json", False),
        ("frontend/node_modules/react/index.js", True),
        ("frontend/dist/index.html", True),
        ("backend/crowdmask/__pycache__/app.cpython-311.pyc", True),
        (".git/config", True),
        (".venv/bin/python", True),
        ("tests/conftest.py", True),
        ("crowdmask-data/secret", True),
        (".env", True),
    ],
)
def test_the_build_context_holds_sources_and_nothing_else(name: str, left_out: bool) -> None:
    assert _left_out(name) is left_out
