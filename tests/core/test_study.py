"""The paper's tables: its formula, its rule of complete cases, and what stands in the files."""

import csv
import io
import json

import numpy as np
import pytest
from scipy import stats

from crowdmask.core.completion import Completion
from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.paper_tables import (
    Arm,
    complete_rows,
    mean_over_labels,
    paper_table,
    table_csv,
    table_json,
    table_markdown,
)
from crowdmask.core.statistics import holm
from crowdmask.core.study import LabelResult, Way, label_result, paper_results, slice_arms, volume_columns
from crowdmask.core.study_report import scores_csv

NAN = float("nan")
RNG = np.random.default_rng(7)
SAM = Arm("SAM", {"aorta": RNG.normal(0.7, 0.1, 11), "liver": RNG.normal(0.73, 0.2, 11)})
MEDSAM = Arm("MedSAM", {"liver": RNG.normal(0.75, 0.2, 11), "aorta": RNG.normal(0.6, 0.1, 11)})


def test_mean_interval_and_p_are_those_that_the_paper_prints() -> None:
    table = paper_table("table2", "Table 2", [SAM, MEDSAM])
    assert [row.label for row in table.rows] == ["aorta", "liver", "all"]
    for row in table.rows[:2]:
        for arm, found in zip((SAM, MEDSAM), row.means, strict=True):
            values = arm.columns[row.label]
            assert found.mean == pytest.approx(values.mean())
            assert found.ci == pytest.approx(
                1.96 * np.sqrt(((values - values.mean()) ** 2).mean()) / np.sqrt(11)
            )
        assert row.p == (stats.wilcoxon(SAM.columns[row.label], MEDSAM.columns[row.label]).pvalue,)
    assert [row.p_holm[0] for row in table.rows[:2]] == holm([row.p[0] for row in table.rows[:2]])


def test_the_row_of_all_takes_the_mean_over_the_labels_of_each_volume() -> None:
    whole = paper_table("t", "t", [SAM]).rows[-1]
    per_volume = (SAM.columns["aorta"] + SAM.columns["liver"]) / 2
    assert whole.means[0].mean == pytest.approx(per_volume.mean())
    assert whole.means[0].ci == pytest.approx(1.96 * per_volume.std() / np.sqrt(11))
    partial = mean_over_labels({"a": np.array([0.2, NAN, NAN]), "b": np.array([0.4, 0.6, NAN])})
    assert partial == pytest.approx([0.3, 0.6, NAN], nan_ok=True)


def test_complete_cases_are_the_rows_in_which_every_arm_has_every_label() -> None:
    one = Arm("a", {"x": np.array([0.1, 0.2, NAN, 0.4]), "y": np.array([0.5, NAN, 0.7, 0.8])})
    other = Arm("b", {"x": np.array([0.1, 0.2, 0.3, 0.4]), "y": np.array([NAN, 0.6, 0.7, 0.8])})
    kept = complete_rows([one, other])
    assert [arm.columns["x"].tolist() for arm in kept] == [[0.4], [0.4]]


def test_arms_without_a_common_label_are_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        paper_table("t", "t", [SAM, Arm("b", {"heart": np.zeros(11)})])
    assert refused.value.code is ErrorCode.SCORES_INVALID


def test_a_table_says_the_same_in_its_three_forms() -> None:
    table = paper_table("table2", "Table 2", [SAM, Arm("empty", {"aorta": np.full(11, NAN)})], note="A note.")
    text = table_markdown(table)
    mean = SAM.columns["aorta"].mean()
    assert f"| aorta | {mean:.3f} ± " in text
    assert "A note." in text
    rows = list(csv.DictReader(io.StringIO(table_csv(table))))
    assert [(row["label"], row["arm"], row["n"], row["p"]) for row in rows] == [
        ("aorta", "SAM", "11", ""),
        ("aorta", "empty", "0", ""),
    ]
    content = json.loads(json.dumps(table_json(table), allow_nan=False))
    assert content["rows"][0]["arms"]["SAM"]["mean"] == pytest.approx(mean)
    assert content["rows"][0]["arms"]["empty"]["mean"] is None


def _result(case: str, label: str, model: str, areas: dict[int, tuple[int, int, int]]) -> LabelResult:
    """``areas``: of slices, voxels of the prediction, of the reference and of both."""
    predicted, reference = np.zeros((2, 4, 1, 40), dtype=bool)
    for z, (n_predicted, n_reference, both) in areas.items():
        predicted[z, 0, :n_predicted] = True
        start = n_predicted - both
        reference[z, 0, start : start + n_reference] = True
    boxed = {z for z, (n_predicted, _, _) in areas.items() if n_predicted}
    return label_result(case, label, Way(model, Completion.NONE), predicted, reference, boxed)


def test_table_3_counts_slices_of_all_volumes_and_table_2_volumes() -> None:
    results = [
        _result("c1", "aorta", "m", {0: (10, 10, 8), 1: (10, 10, 10), 2: (0, 10, 0)}),
        _result("c1", "liver", "m", {1: (20, 10, 10)}),
        _result("c2", "aorta", "m", {3: (4, 4, 2)}),
        _result("c2", "liver", "m", {3: (10, 10, 5)}),
    ]
    (arm,) = slice_arms(results, [Way("m", Completion.NONE)])
    assert arm.columns["aorta"] == pytest.approx([0.8, 1.0, 0.5])
    assert arm.columns["liver"] == pytest.approx([NAN, 2 / 3, 0.5], nan_ok=True)
    tables = {table.key: table for table in paper_results(results)}
    aorta = tables["table3"].rows[0].means[0]
    assert (aorta.mean, aorta.n) == (pytest.approx(0.75), 2)
    volume = tables["table2"].rows[0].means[0]
    assert (volume.mean, volume.n) == (pytest.approx((36 / 50 + 0.5) / 2), 2)
    assert tables["slice_dice"].rows[0].means[0].n == 3
    loss = {
        arm: mean.mean
        for arm, mean in zip(tables["loss_m_none"].arms, tables["loss_m_none"].rows[0].means, strict=True)
    }
    parts = [value for name, value in loss.items() if name.startswith("of it")]
    assert sum(parts) == pytest.approx(loss["loss"]) == pytest.approx(1 - loss["volume Dice"])


def test_volumes_that_lack_a_label_have_a_table_of_the_others_beside_them() -> None:
    results = [_result(case, "aorta", "m", {0: (2, 2, n)}) for n, case in enumerate(("c0", "c1", "c2"))]
    assert "table2_complete" not in {table.key for table in paper_results(results, {"c0", "c1", "c2"})}
    tables = {table.key: table for table in paper_results(results, {"c1", "c2"})}
    assert tables["table2"].rows[0].means[0].mean == pytest.approx(0.5)
    assert tables["table2_complete"].rows[0].means[0].mean == pytest.approx(0.75)


def test_scores_per_case_are_a_table_that_can_be_read_again() -> None:
    results = [_result("c1", "aorta", "m", {0: (2, 2, 1)}), _result("c2", "liver", "m", {0: (2, 2, 2)})]
    way = Way("m", Completion.NONE)
    assert volume_columns(results, way)["liver"] == pytest.approx([NAN, 1.0], nan_ok=True)
    assert scores_csv(results, way) == "case,aorta,liver\r\nc1,0.5,\r\nc2,,1.0\r\n"
