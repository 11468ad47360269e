"""The documentation is tested: an error code, command, option, setting, table word or link without it fails."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from crowdmask import cli as crowdmask_cli
from crowdmask.core.errors import ErrorCode
from crowdmask.infra.settings import Settings
from crowdmask_ml import cli as library_cli
from tests.architecture.checkout import TOP, tracked_files

DOCS = TOP / "docs"
FAULT_TESTS = TOP / "tests" / "faults"
APPS = {"crowdmask": crowdmask_cli.app, "crowdmask-ml": library_cli.app}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _sections(text: str, level: str) -> dict[str, str]:
    """Heading (without backticks) -> what stands under it, up to the next heading of the same level."""
    parts = re.split(rf"^{level} +(.+)$", text, flags=re.MULTILINE)
    return {parts[i].replace("`", "").strip(): parts[i + 1] for i in range(1, len(parts), 2)}


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """(full name, command) of every command that does something; typer's commands, seen by their shape."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, below in inner.items():
        yield from _commands(f"{name} {word}", below)


COMMANDS = dict(found for name, app in APPS.items() for found in _commands(name, typer.main.get_command(app)))


def test_error_codes_and_their_page_are_equal() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", _text(DOCS / "errors.md"), flags=re.MULTILINE)
    assert sorted(documented) == sorted(code.value for code in ErrorCode)


def test_commands_and_their_page_are_equal() -> None:
    assert set(_sections(_text(DOCS / "commands.md"), "##")) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_options_and_its_section_are_equal(name: str) -> None:
    section = _sections(_text(DOCS / "commands.md"), "##").get(name, "")
    named = {
        option
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option" and not getattr(parameter, "hidden", False)
        for option in [*parameter.opts, *parameter.secondary_opts]
        if option.startswith("--")
    } - {"--help", "--install-completion", "--show-completion"}
    cells = re.findall(r"^\| (`--[^|]*) \|", section, flags=re.MULTILINE)
    documented = {option for cell in cells for option in re.findall(r"--[a-z-]+", cell)}
    assert documented == named


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_arguments_are_in_its_section(name: str) -> None:
    section = _sections(_text(DOCS / "commands.md"), "##").get(name, "")
    for parameter in COMMANDS[name].params:
        if parameter.param_type_name == "argument":
            shown = parameter.metavar or parameter.name
            assert shown.upper() in section.upper(), f"{name}: the argument {shown} is not explained"


def test_variables_of_the_environment_and_their_tables_are_equal() -> None:
    settings = {f"CROWDMASK_{name.upper()}" for name in Settings.model_fields}
    sources = [path for path in tracked_files() if path.suffix == ".py"]
    read_elsewhere = {
        name for path in sources for name in re.findall(r'"(CROWDMASK_[A-Z_]+[A-Z])"', _text(path))
    }
    documented = re.findall(r"^\| `(CROWDMASK_[A-Z_]+)` \|", _text(DOCS / "deploy.md"), flags=re.MULTILINE)
    assert sorted(documented) == sorted(settings | read_elsewhere)


def _rows_of_faults() -> dict[int, list[str]]:
    """Number of a fault -> the other cells of its row: what happens, what Crowdmask does, codes, tests."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", _text(DOCS / "faults.md"), flags=re.MULTILINE)
    assert len({number for number, _ in rows}) == len(rows), "a number stands there twice"
    return {int(number): re.split(r" *\| *", row) for number, row in rows}


def _tests_in(path: Path) -> list[str]:
    return re.findall(r"^def (test_\w+)\(", _text(path), flags=re.MULTILINE)


def _numbers_tested_in(path: Path) -> set[int]:
    found = (re.match(r"test_fault_(\d\d)_", name) for name in _tests_in(path))
    return {int(match.group(1)) for match in found if match}


def test_every_fault_that_a_test_is_named_after_has_its_row() -> None:
    rows = _rows_of_faults()
    for path in FAULT_TESTS.glob("test_*.py"):
        for number in _numbers_tested_in(path):
            assert f"`tests/faults/{path.name}`" in rows[number][-1], f"{path.name}, fault {number}"


def test_every_fault_in_its_table_has_the_tests_and_the_codes_that_it_names() -> None:
    for number, (_, _, codes, tests) in _rows_of_faults().items():
        assert {*re.findall(r"`([a-z_]+)`", codes)} <= {*ErrorCode}, f"fault {number}"
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
        assert named, f"fault {number} names no test"
        for file, function in named:
            if function:
                assert function in _tests_in(TOP / file), f"fault {number}: {file}::{function}"
            else:
                assert number in _numbers_tested_in(TOP / file), f"fault {number}: {file}"


def test_every_fault_that_code_points_to_has_its_row() -> None:
    rows = _rows_of_faults()
    for path in tracked_files():
        if path.suffix == ".py":
            for numbers in re.findall(r"\b[Ff]aults? (\d[\d, -]*(?:(?:and|to) \d+)?)", _text(path)):
                assert {*map(int, re.findall(r"\d+", numbers))} <= rows.keys(), f"{path.name}: {numbers}"


def test_every_make_target_is_explained_in_the_contributing_page() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", _text(TOP / "Makefile"), flags=re.MULTILINE)
    assert phony is not None
    explained = set(re.findall(r"`make ([a-z-]+)", _text(TOP / "CONTRIBUTING.md")))
    assert set(phony.group(1).split()) == explained


def test_every_decision_says_context_decision_and_consequences() -> None:
    records = sorted((DOCS / "decisions").glob("*.md"))
    assert [path.name[:4] for path in records] == [f"{number:04d}" for number in range(1, len(records) + 1)]
    for path in records:
        assert [*_sections(_text(path), "##")] == ["Context", "Decision", "Consequences"], path.name


def _links(text: str) -> list[str]:
    without_code = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", without_code)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page", [path for path in tracked_files() if path.suffix == ".md"], ids=lambda path: path.name
)
def test_relative_links_of_a_page_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _links(_text(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in _anchors(_text(path))):
            broken.append(link)
    assert not broken


def test_the_licence_is_the_plain_apache_licence() -> None:
    text = _text(TOP / "LICENSE")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "Copyright [yyyy] [name of copyright owner]" in text
