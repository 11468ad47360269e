"""Training, validation and test cases: by patient, by seed, and never tested without a reference."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.splits import Fold, Split, SplitCase, split


@st.composite
def _cases(draw: st.DrawFn, *, referenced: bool = False) -> list[SplitCase]:
    patients = draw(st.lists(st.sampled_from(["", "A", "B", "C", "D", "E"]), min_size=4, max_size=24))
    return [
        SplitCase(f"case_{number}", patient, referenced or draw(st.booleans()))
        for number, patient in enumerate(patients)
    ]


def _patient(case: SplitCase) -> str:
    return case.patient or f"own {case.case}"


@given(_cases(), st.floats(0, 0.6), st.integers(0, 4), st.integers(0, 99), st.data())
def test_sides_share_no_patient_hold_every_case_and_do_not_depend_on_the_order(
    cases: list[SplitCase], share: float, folds: int, seed: int, data: st.DataObject
) -> None:
    try:
        made = split(cases, test_share=share, folds=folds, seed=seed)
    except InvalidInput:  # too few references or patients
        return
    by_name = {case.case: case for case in cases}
    patients = {name: _patient(case) for name, case in by_name.items()}
    assert sorted([*made.train, *made.test]) == sorted(by_name)
    assert not {patients[name] for name in made.train} & {patients[name] for name in made.test}
    assert all(by_name[name].has_reference for name in made.test)
    assert (len(made.test) > 0) == (share > 0)
    assert len(made.folds) == folds
    for fold in made.folds:
        assert fold.train
        assert fold.val
        assert sorted([*fold.train, *fold.val]) == list(made.train)
        assert not {patients[name] for name in fold.train} & {patients[name] for name in fold.val}
    if folds:
        assert sorted(name for fold in made.folds for name in fold.val) == list(made.train)
    shuffled = data.draw(st.permutations(cases))
    assert split(shuffled, test_share=share, folds=folds, seed=seed) == made


@given(_cases(referenced=True), st.integers(0, 99))
def test_naming_the_test_cases_that_a_share_drew_gives_the_same_split(
    cases: list[SplitCase], seed: int
) -> None:
    try:
        drawn = split(cases, test_share=0.25, folds=2, seed=seed)
    except InvalidInput:
        return
    assert split(cases, test=drawn.test, folds=2, seed=seed) == drawn


def test_without_patients_a_share_and_folds_are_met_exactly() -> None:
    cases = [SplitCase(f"c{number:02d}", has_reference=True) for number in range(20)]
    made = split(cases, test_share=0.25, folds=5, seed=1)
    assert (len(made.test), [len(fold.val) for fold in made.folds]) == (5, [3, 3, 3, 3, 3])
    assert split(cases, test_share=0.25, folds=5, seed=2) != made
    assert split(cases).train == tuple(case.case for case in cases)


def test_a_patient_of_many_volumes_fills_a_fold_of_its_own() -> None:
    cases = [
        *(SplitCase(f"p{number}", "P") for number in range(3)),
        *(SplitCase(f"q{number}") for number in range(3)),
    ]
    assert split(cases, folds=2).folds == (
        Fold(("q0", "q1", "q2"), ("p0", "p1", "p2")),
        Fold(("p0", "p1", "p2"), ("q0", "q1", "q2")),
    )


def test_when_every_patient_has_more_volumes_than_wanted_one_with_the_fewest_tests() -> None:
    cases = [
        SplitCase(f"{patient}{n}", patient, True)
        for patient, size in (("A", 4), ("B", 2))
        for n in range(size)
    ]
    assert split(cases, test_share=0.1).test == ("B0", "B1")


def test_splits_final_is_what_nnunet_reads() -> None:
    made = Split(("a", "b"), (), (Fold(("a",), ("b",)), Fold(("b",), ("a",))))
    assert made.to_splits_final() == [{"train": ["a"], "val": ["b"]}, {"train": ["b"], "val": ["a"]}]
    assert Split(("a",)).to_splits_final() == []


CASES = [
    SplitCase("a1", "A", has_reference=True),
    SplitCase("a2", "A", has_reference=True),
    SplitCase("b", has_reference=True),
    SplitCase("c"),
    SplitCase("d"),
]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"test": ["zz"]}, "not in the dataset: zz"),
        ({"test": ["a1"]}, "same patients as test volumes: a2"),
        ({"test": ["b", "c"]}, "no reference mask: c"),
        ({"test_share": 0.8}, "only 3 are of patients whose volumes all have a reference mask. Without one: c, d"),
        ({"folds": 5}, "5 folds need at least 5 patients, and the training volumes are of 4"),
        ({"test": ["b"], "test_share": 0.2}, "both named"),
        ({"folds": 1}, "1 cannot be a number of folds"),
        ({"test_share": 1.0}, "below 1"),
        ({"seed": -1}, "seed"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_refused_with_the_names(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        split(CASES, **asked)
    assert refused.value.code is ErrorCode.OPTION_INVALID
    assert words in refused.value.message


def test_nothing_to_split_or_to_train_on_and_names_that_repeat_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no volumes"):
        split([])
    with pytest.raises(InvalidInput, match="Nothing is left to train on"):
        split(CASES[:3], test=["a1", "a2", "b"])
    with pytest.raises(InvalidInput, match="same name: b"):
        split([CASES[2], CASES[2]])


def test_many_names_are_not_all_listed() -> None:
    cases = [SplitCase(f"c{number}") for number in range(9)]
    with pytest.raises(InvalidInput, match="c0, c1, c2, c3, c4 and 4 more"):
        split(cases, test=[case.case for case in cases])
