"""The report as a file, its plots, and all scores as CSV."""

import csv
import io
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from crowdmask.models import Project, Volume
from tests import factories
from tests.api.evaluations.place import Place, blob
from tests.api.server import problem

CROWD = [0.70, 0.75, 0.60, 0.82, 0.55, 0.78]
VOID = {"meta", "br"}


class _Page(HTMLParser):
    """Checks the nesting and gathers what a browser would load, follow and show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.said = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "href" and tag == "a":
                self.links.append(str(value))
            elif name in ("src", "href", "srcset", "action", "data"):
                self.loaded.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said += data


@pytest.fixture
def training(place: Place) -> str:
    """Six scans boxed by ann, and a training's predictions for them; the key of the latter."""
    volumes = [place.volume(f"<CT> {number}", blob(z=slice(0, 3), x=3)) for number in range(6)]
    for volume, dice in zip(volumes, CROWD, strict=True):
        place.scored(volume, dice, ml=2.5)
    place.scored(volumes[0], None, label_index=2)
    scores = {
        volume.id: {"liver": dice + 0.1, "spleen": 0.5} for volume, dice in zip(volumes, CROWD, strict=True)
    }
    return f"training:{place.training('Network & co', scores)}"


def test_the_report_is_one_file_that_needs_nothing_else(place: Place, training: str) -> None:
    with place.server.database.write() as session:
        session.get_one(Project, place.project.id).name = "<script>alert(1)</script>"
    answer = place.get("report", by="res", a="masks", b=training)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"] == 'attachment; filename="report.html"'
    page = _Page(answer.text)
    assert page.loaded == []
    assert not {"script", "link", "img", "iframe", "object"} & page.tags
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    assert "<script>alert(1)</script>: All masks and Training Network & co" in page.said
    # Both arms with the test, as in the comparison; all tables name the reference.
    rows = place.get("comparison", a="masks", b=training).json()["rows"]
    assert rows[0]["p"] == 0.03125
    assert "0.031" in page.said
    assert "0.700 ± 0.077" in page.said
    assert "1 undefined" in page.said
    assert answer.text.count("<table>") == page.said.count("Reference: expert.") > 10
    assert page.said.count("Lowest Dice of the volume") == 2
    assert "Mean difference" in page.said
    assert answer.text.count("<svg") == 6
    base = f"{place.server.settings.base_url}/admin/projects/{place.project.id}/review?volume="
    assert page.links
    assert all(link.startswith(base) and "&label=" in link for link in page.links)


def test_a_report_on_one_set_compares_nothing(place: Place, training: str) -> None:
    page = _Page(place.get("report", a=training).text)
    assert "Training Network & co" in page.said
    assert "Side by side" not in page.said
    problem(place.get("report", a="masks", b="training:none"), 404, "not_found")


def test_the_report_says_how_far_people_agree(place: Place, training: str) -> None:
    alone = _Page(place.get("report").text)
    assert "7 tasks were submitted by one person only" in alone.said
    assert "Each person against the others" not in alone.said
    with place.server.database.write() as session:
        place.people["ben"] = factories.add_account(session, name="<Ben>")
        factories.add_member(session, place.project, place.people["ben"])
        volume = session.scalars(sa.select(Volume).where(Volume.name == "<CT> 0")).one()
    place.mask(volume, blob(z=slice(0, 3), x=4), by="ben")
    page = _Page(place.get("report").text)
    assert "Each person against the others" in page.said
    assert "<Ben>" in page.said
    assert "6 tasks were submitted by one person only" in page.said


def test_a_project_without_scores_has_an_empty_report(place: Place) -> None:
    assert "0 scores" in _Page(place.get("report").text).said


def test_plots_are_pictures(place: Place, training: str) -> None:
    for path, query in (
        ("plots/boxes", {"a": "masks", "b": training, "score": "hd95_mm"}),
        ("plots/boxes", {}),
        ("plots/volumes", {"a": "masks"}),
        ("plots/volumes", {"a": training}),
    ):
        answer = place.get(path, by="res", **query)
        assert answer.headers["content-type"].startswith("image/svg+xml")
        assert ElementTree.fromstring(answer.text).tag.endswith("svg")
    problem(place.get("plots/pie"), 422, "request_invalid")
    problem(place.get("plots/boxes", a="nothing"), 404, "not_found")


def test_all_scores_are_a_table_with_a_line_for_each_mask(place: Place, training: str) -> None:
    heading, *lines = csv.reader(io.StringIO(place.get("scores", by="res").text))
    assert heading[:6] == ["case", "label_index", "label", "by", "reference", "volume_dice"]
    assert heading[-2:] == ["predicted_ml", "reference_ml"]
    assert len(lines) == 7
    first = dict(zip(heading, lines[0], strict=True))
    assert (first["case"], first["by"], first["reference"]) == ("<CT> 0", "ann", "expert")
    assert (float(first["volume_dice"]), first["hd95_mm"], first["predicted_ml"]) == (0.7, "", "2.5")
    of_training = place.get("scores", of=training).text.splitlines()
    assert len(of_training) == 13


def test_reports_are_for_admins_and_researchers(place: Place) -> None:
    for path in ("report", "plots/boxes", "scores"):
        problem(place.get(path, by="ann"), 403, "not_allowed")
        problem(place.get(path, by="stranger"), 404, "not_found")
