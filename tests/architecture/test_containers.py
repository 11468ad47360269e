"""The compose file and the Dockerfiles, as far as they can be judged without a container engine."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from crowdmask import cli
from crowdmask.infra.settings import Settings
from crowdmask.models import Queue
from tests.architecture.checkout import TOP

COMPOSE = TOP / "docker-compose.yml"
DOCKERFILES = sorted(TOP.glob("*/Dockerfile"))

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
_SERVICE = _closed(
    {
        "image": {"pattern": r"^[a-z-]+(:[\w.-]+)?$"},
        "build": _closed({"context": {"const": "."}, "dockerfile": _TEXT}, "context", "dockerfile"),
        "command": {"type": "array", "items": _TEXT},
        "restart": {"enum": ["no", "unless-stopped"]},
        "environment": {"type": "object", "additionalProperties": _TEXT},
        "volumes": {"type": "array", "items": {"pattern": r"^[a-z]+:/[\w/]+$"}},
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
    assert {name for name, _ in used} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD"}
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
    }
    assert used == set(compose["volumes"])


def test_images_of_others_name_a_version_and_a_distribution(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        if "build" not in service:
            assert re.search(r":\d+(\.\d+)*-[a-z]+$", service["image"]), service["image"]


def test_each_built_service_runs_a_command_that_exists(compose: dict[str, Any]) -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    for name, service in compose["services"].items():
        if "build" not in service:
            continue
        assert (TOP / service["build"]["dockerfile"]).is_file(), name
        program, *arguments = service["command"]
        if program == "crowdmask":
            assert arguments[0] in commands, name
        else:
            assert [program, arguments[0]] == ["python", "-m"], name
            assert importlib.util.find_spec(f"{arguments[1]}.__main__") is not None, name
            assert arguments[2] == "--queues", name
            assert {Queue(queue) for queue in arguments[3].split(",")}, name


def test_services_set_only_settings_that_exist(compose: dict[str, Any]) -> None:
    known = {f"CROWDMASK_{name.upper()}" for name in Settings.model_fields}
    for service in compose["services"].values():
        given = {name for name in service.get("environment", {}) if name.startswith("CROWDMASK_")}
        assert given <= known


def test_every_queue_with_jobs_has_a_worker(compose: dict[str, Any]) -> None:
    served = {
        queue
        for service in compose["services"].values()
        if "crowdmask_worker" in service.get("command", [])
        for queue in service["command"][-1].split(",")
    }
    assert served == {Queue.CPU, Queue.GPU}


def _instructions(path: Path) -> list[tuple[str, str]]:
    """(INSTRUCTION, arguments) of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1]) for line in lines]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_a_dockerfile_keeps_the_rules(path: Path) -> None:
    instructions = _instructions(path)
    names = [name for name, _ in instructions]
    assert set(names) <= {"FROM", "ENV", "RUN", "WORKDIR", "COPY", "VOLUME", "USER", "CMD"}, "no ADD, no ARG"
    for name, arguments in instructions:
        if name == "FROM":
            assert re.match(r"python:\d+\.\d+(\.\d+)?-slim-\w+( AS \w+)?$", arguments), (
                "the base names a version"
            )
        if name == "RUN":
            assert not re.search(r"curl|wget|https?://|sudo|chmod 777", arguments)
            if "pip install" in arguments:
                assert "-c constraints.txt" in arguments
        if name == "ENV":
            assert not re.search(r"(?i)password|secret|token", arguments)
    last_stage = instructions[len(names) - 1 - names[::-1].index("FROM") :]
    users = [arguments for name, arguments in last_stage if name == "USER"]
    assert users, "the image would run as root"
    assert users[-1] not in ("root", "0")
    assert last_stage[-1][0] == "CMD"
    assert last_stage[-1][1].startswith("["), "the exec form, so that signals reach the program"


def test_dockerfiles_are_found() -> None:
    assert [path.parent.name for path in DOCKERFILES] == ["backend", "worker"]


def test_what_the_images_are_built_from_is_in_the_build_context() -> None:
    kept = set(
        re.findall(r"^!(.+)$", (TOP / ".dockerignore").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )
    assert {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
        "alembic",
        "backend",
        "worker",
    } <= kept
    assert all((TOP / name).exists() for name in kept)
