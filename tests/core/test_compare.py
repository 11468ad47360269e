"""``crowdmask compare``: two tables in, one comparison out."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from crowdmask import cli
from crowdmask.core.errors import CrowdmaskError, ErrorCode

A = {
    "c1": (0.9, 0.5),
    "c2": (0.8, 0.6),
    "c3": (0.7, 0.7),
    "c4": (0.95, 0.4),
    "c5": (0.6, 0.8),
    "c6": (0.85, 0.3),
}


def _table(path: Path, rows: dict[str, tuple[object, ...]], heading: str) -> Path:
    lines = [heading, *(",".join([case, *map(str, values)]) for case, values in rows.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _compared(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(cli.app, ["compare", *map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found: dict[str, Any] = json.loads(result.stdout)["columns"]
    return found


def test_cases_and_columns_in_any_order_are_matched_by_name(tmp_path: Path) -> None:
    a = _table(tmp_path / "a.csv", A, "case,liver_dice,spleen_dice")
    shifted = {case: (spleen - 0.05, liver - 0.1) for case, (liver, spleen) in reversed(A.items())}
    b = _table(tmp_path / "b.csv", shifted, "case,spleen_dice,liver_dice")
    found = _compared(a, b)
    assert list(found) == ["liver_dice", "spleen_dice"]
    liver = np.array([values[0] for values in A.values()])
    assert found["liver_dice"]["a"]["mean"] == pytest.approx(liver.mean())
    assert found["liver_dice"]["b"]["mean"] == pytest.approx(liver.mean() - 0.1)
    assert found["liver_dice"]["a"]["ci"] == pytest.approx(1.96 * liver.std() / np.sqrt(6))
    assert found["liver_dice"]["a"]["n"] == 6
    assert found["liver_dice"]["p"] == stats.wilcoxon(liver, liver - 0.1).pvalue == 0.03125


def test_what_only_one_table_has_is_left_out_and_empty_cells_are_undefined(tmp_path: Path) -> None:
    a = _table(tmp_path / "a.csv", A, "case,liver_dice,spleen_dice")
    others = {"c1": (0.5, "x"), "c2": ("", "y"), "c3": ("nan", "z"), "c9": (0.1, "w")}
    b = _table(tmp_path / "b.csv", others, "Case,liver_dice,remark")
    found = _compared(a, b)
    assert list(found) == ["liver_dice"]
    assert (found["liver_dice"]["a"]["n"], found["liver_dice"]["b"]["n"]) == (3, 1)
    assert found["liver_dice"]["b"]["undefined"] == 2
    assert found["liver_dice"]["pairs"] == 1


def test_equal_scores_have_no_p(tmp_path: Path) -> None:
    a = _table(tmp_path / "a.csv", A, "case,liver_dice,spleen_dice")
    assert _compared(a, a)["liver_dice"]["p"] is None


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("", "empty"),
        ("name,liver\nc1,0.5\n", "case"),
        ("case,liver,liver\nc1,0.5,0.6\n", "twice"),
        ("case,liver\nc1,0.5\nc1,0.6\n", "twice"),
        ("case,liver\nc1,0.5,0.6\n", "row 2"),
        ("case,liver\nc1,0.5\nc2,good\n", "good"),
        ("case,remark\nc1,good\n", "no scores"),
        ("case,liver\n,0.5\n", "without a case"),
        ("case,slice,liver\nc1,1,0.5\nc1,1,0.6\n", "slice 1"),
        ("case,slice,liver\nc1,1.5,0.5\n", "whole numbers"),
        ("case,slice,liver\nc1,1,0.5\n", "row per slice"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, content: str, word: str) -> None:
    bad, good = tmp_path / "bad.csv", _table(tmp_path / "good.csv", A, "case,liver,spleen")
    bad.write_text(content, encoding="utf-8")
    refused = CliRunner().invoke(cli.app, ["compare", str(bad), str(good)])
    assert isinstance(refused.exception, CrowdmaskError)
    assert refused.exception.code is ErrorCode.SCORES_INVALID
    assert word in refused.exception.message


def test_tables_without_a_common_case_are_refused(tmp_path: Path) -> None:
    a = _table(tmp_path / "a.csv", A, "case,liver,spleen")
    b = _table(tmp_path / "b.csv", {"other": (0.5, 0.5)}, "case,liver,spleen")
    refused = CliRunner().invoke(cli.app, ["compare", str(a), str(b)])
    assert isinstance(refused.exception, CrowdmaskError)
    assert refused.exception.code is ErrorCode.SCORES_INVALID


def test_rows_of_slices_are_paired_by_case_and_slice_and_the_scans_are_tested_beside_them(
    tmp_path: Path,
) -> None:
    """The p over slices is too small: the command says so, and gives the one over scans."""
    rng = np.random.default_rng(3)
    rows = [(f"c{case}", z, dice) for case in range(6) for z, dice in enumerate(rng.uniform(0.5, 0.9, 20))]
    change = {f"c{case}": by for case, by in enumerate((0.1, 0.11, 0.12, 0.13, -0.02, -0.04))}
    better = [(case, z, dice + change[case]) for case, z, dice in rows]
    for name, listed in (("a", rows), ("b", [*reversed(better), ("c9", 0, 0.5)])):
        lines = ["case,slice,liver_dice", *(f"{case},{z},{dice}" for case, z, dice in listed)]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    arguments = ["compare", str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    result = CliRunner().invoke(cli.app, [*arguments, "--json"], catch_exceptions=False)
    said = json.loads(result.stdout)
    assert "not independent" in said["warning"]
    assert "1 of 121 slices" in result.stderr
    liver = said["columns"]["liver_dice"]
    left, right = (np.array([dice for _, _, dice in listed]) for listed in (rows, better))
    assert (liver["pairs"], liver["a"]["mean"]) == (120, pytest.approx(left.mean()))
    assert liver["p"] == pytest.approx(stats.wilcoxon(left, right).pvalue)
    means = [one.reshape(6, 20).mean(axis=1) for one in (left, right)]
    assert liver["cases"]["pairs"] == 6
    assert liver["cases"]["p"] == pytest.approx(stats.wilcoxon(*means).pvalue)
    assert liver["p"] < 0.001 < 0.05 < liver["cases"]["p"]
    shown = CliRunner().invoke(cli.app, arguments, catch_exceptions=False).stdout
    assert "Over slices" in shown
    assert "not independent" in shown
    assert "Over cases" in shown
