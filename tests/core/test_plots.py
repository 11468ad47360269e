"""Plots are well-formed pictures that show every value where it belongs and say what is undefined."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from crowdmask.core.plots import BoxGroup, Panel, bland_altman_plot, box_plot

NAN = float("nan")
SVG = "{http://www.w3.org/2000/svg}"


def _texts(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_box_spans_the_quartiles_and_whiskers_end_at_the_last_value_in_reach() -> None:
    values = np.array([0.0, 0.5, 0.6, 0.7, 0.8, NAN])
    svg = box_plot("Dice", [BoxGroup("liver", (values,))], ["All"])
    root = ElementTree.fromstring(svg)
    points = sorted(float(one.attrib["cx"]) for one in root.iter(f"{SVG}circle"))
    assert len(points) == 5

    def at(value: float) -> float:  # the axis is 0 to 1, and two points give its scale
        return points[0] + (points[-1] - points[0]) * value / 0.8

    box = next(one for one in root.iter(f"{SVG}rect") if "x" in one.attrib)
    first, median, third = np.percentile(values[:5], (25, 50, 75))
    assert float(box.attrib["x"]) == pytest.approx(at(first), abs=0.2)
    assert float(box.attrib["width"]) == pytest.approx(at(third) - at(first), abs=0.2)
    lines = [one.attrib for one in root.iter(f"{SVG}line") if "stroke-width" in one.attrib]
    whiskers, middle = lines
    assert float(whiskers["x1"]) == pytest.approx(at(0.5), abs=0.2)  # 0 is too far out
    assert float(whiskers["x2"]) == pytest.approx(at(0.8), abs=0.2)
    assert float(middle["x1"]) == pytest.approx(at(median), abs=0.2)
    assert "n = 5, 1 undef." in _texts(svg)


def test_two_series_differ_in_more_than_colour_and_are_named() -> None:
    groups = [
        BoxGroup("liver", (np.array([0.5, 0.6]), np.array([0.7]))),
        BoxGroup("spleen", (np.array([]),) * 2),
    ]
    svg = box_plot("Dice", groups, ["Crowd", "Reference"])
    texts = _texts(svg)
    assert {"Crowd", "Reference", "liver", "spleen", "n = 0"} <= set(texts)
    assert "stroke-dasharray" in svg
    assert re.search(r"<path d=", svg)
    assert "<circle" in svg


def test_values_beyond_0_and_1_get_an_axis_of_their_own() -> None:
    texts = _texts(box_plot("Distance", [BoxGroup("liver", (np.array([3.0, 41.0]),))], ["All"]))
    assert {"10", "20", "30", "40"} <= set(texts)
    assert "−0.4" in _texts(box_plot("Error", [BoxGroup("liver", (np.array([-0.5, 0.2]),))], ["All"]))


def test_names_from_people_cannot_break_the_picture() -> None:
    name = '<script>alert("x")</script> & co'
    for svg in (
        box_plot(name, [BoxGroup(name, (np.array([0.5]),))], [name]),
        box_plot(name, [BoxGroup(name, (np.array([0.5]), np.array([0.5])))], [name, name]),
        bland_altman_plot(name, [Panel(name, np.array([1.0]), np.array([2.0]))], "ml"),
    ):
        root = ElementTree.fromstring(svg)
        assert root.attrib["aria-label"] == name
        assert not list(root.iter(f"{SVG}script"))


def test_bland_altman_says_the_mean_difference_and_the_limits() -> None:
    a, b = np.array([10.0, 12.0, 15.0, NAN]), np.array([9.0, 13.0, 12.0, 4.0])
    svg = bland_altman_plot("Volumes", [Panel("liver", a, b), Panel("spleen", a[:1], b[:1])], "ml")
    texts = _texts(svg)
    assert {"liver (n = 3)", "mean: 1", "+1.96 sd: 4.92", "−1.96 sd: −2.92", "spleen (n = 1)"} <= set(texts)
    assert svg.count("<circle") == 4


def test_nothing_defined_is_said() -> None:
    nothing = np.array([NAN])
    for svg in (
        box_plot("Dice", [], ["All"]),
        box_plot("Dice", [BoxGroup("liver", (nothing,))], ["All"]),
        bland_altman_plot("Volumes", [], "ml"),
        bland_altman_plot("Volumes", [Panel("liver", nothing, nothing)], "ml"),
    ):
        assert "No value is defined." in _texts(svg)


def test_equal_values_are_drawn_as_well() -> None:
    same = np.array([5.0, 5.0])
    assert "NaN" not in box_plot("Distance", [BoxGroup("liver", (same,))], ["All"])
    assert "nan" not in bland_altman_plot("Volumes", [Panel("liver", same, same)], "ml")
