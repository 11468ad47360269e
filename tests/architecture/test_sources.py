"""Habits of the source text: module length, words, and nothing of one machine in the repository."""

import ast
import re

import pytest

from tests.architecture.checkout import TOP, modules, tracked_files

LONGEST_MODULE = 600

# Words that hide what a thing is (docs/glossary.md has the ones to use). A data folder may be called that.
UNUSED_WORDS = {
    "data", "info", "infos", "item", "items", "manager", "managers", "helper", "helpers", "util", "utils", "misc",
    "bbox", "bboxes", "scan", "scans",
}  # fmt: skip
ALLOWED = re.compile(r"data_(dir|folder)")


def _words(identifier: str) -> set[str]:
    plain = ALLOWED.sub("", identifier)
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return {word.lower() for word in re.split(r"[_\W\d]+", spaced) if word}


def _identifiers(source: str) -> list[tuple[int, str]]:
    return [
        (node.lineno, node.name)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]


def test_no_module_is_longer_than_the_limit() -> None:
    files = [*modules(), *(TOP / "tests").rglob("*.py")]
    lengths = {
        str(path.relative_to(TOP)): len(path.read_text(encoding="utf-8").splitlines()) for path in files
    }
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE}


def test_modules_functions_and_classes_use_the_words_of_the_glossary() -> None:
    found = []
    for path in modules():
        names = [(1, path.stem), (1, path.parent.name), *_identifiers(path.read_text(encoding="utf-8"))]
        found += [
            f"{path.relative_to(TOP)}:{line} {name}" for line, name in names if _words(name) & UNUSED_WORDS
        ]
    assert not found


@pytest.mark.parametrize(
    ("identifier", "used"),
    [
        ("get_bbox", True),
        ("ItemStore", True),
        ("data_dir", False),
        ("data_folder_lock", False),
        ("volume_data", True),
    ],
)
def test_the_word_check_itself_tells_good_from_bad(identifier: str, used: bool) -> None:
    assert bool(_words(identifier) & UNUSED_WORDS) is used


# Written with character classes so that this file does not find itself. Ada is nobody: tests may use her folder.
PRIVATE = {
    "a path of one machine": re.compile(
        r"(?<![\w.}/])/(?:ho[m]e/(?!ada\b)|Use[r]s/|ro[o]t/|wo[r]k/(?=ma[i]n|shar[e]d|\.)|op[t]/py[p]i/)[\w.-]+"
    ),
    "the address of a package registry": re.compile(
        r"pyp[i]\.org|pythonhos[t]ed\.org|registr[y]\.npmjs|--(?:extra-)?index-ur[l]|download\.pytorc[h]\.org"
    ),
    "a token or private key": re.compile(
        r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bhf_[A-Za-z0-9]{20,}|\bAKIA[0-9A-Z]{16}\b|\bsk-[A-Za-z0-9]{24,}|-----BEGIN [A-Z ]*PRIVATE KE[Y]"
    ),
}


@pytest.mark.parametrize("what", PRIVATE)
def test_no_tracked_file_holds(what: str) -> None:
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(TOP)}: {match.group()}" for match in PRIVATE[what].finditer(text)]
    assert not found


def test_no_tracked_file_is_large() -> None:
    assert not [str(path.relative_to(TOP)) for path in tracked_files() if path.stat().st_size > 400_000]
