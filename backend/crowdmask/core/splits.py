"""Which cases train, validate and test. Cases of one patient always stand on the same side.

A model that has seen a patient knows more of that patient than of the next one, so a score on a second volume of the same
patient says nothing about others. Everything is drawn by patient, from the seed and the names alone: the order in which
the cases are given changes nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from crowdmask.core.errors import ErrorCode, InvalidInput

_NAMED = 5


@dataclass(frozen=True, slots=True)
class SplitCase:
    """One case to be put on a side.

    Attributes:
        case: its name in the dataset.
        patient: whose it is; empty: nobody said, then it is a patient of its own.
        has_reference: whether a reference mask came with it. Only such cases may test.
    """

    case: str
    patient: str = ""
    has_reference: bool = False


@dataclass(frozen=True, slots=True)
class Fold:
    """One round of cross-validation: names of cases, ascending."""

    train: tuple[str, ...]
    val: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Names of cases, ascending; every case is in ``train`` or in ``test``, and every one of ``train`` validates once."""

    train: tuple[str, ...]
    test: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()

    def to_splits_final(self) -> list[dict[str, list[str]]]:
        """The content of nnU-Net's ``splits_final.json``. Empty without folds: then leave the file out, and nnU-Net makes
        five folds of its own, which know no patients.
        """
        return [{"train": list(fold.train), "val": list(fold.val)} for fold in self.folds]


def split(
    cases: Sequence[SplitCase],
    *,
    test: Collection[str] = (),
    test_share: float = 0.0,
    folds: int = 0,
    seed: int = 0,
) -> Split:
    """Put every case on a side.

    Args:
        cases: with names that differ.
        test: the cases that test, by name; or
        test_share: of the cases, 0 to below 1; met as nearly as whole patients allow without exceeding it, but by one
            patient at least.
        folds: of the training cases, about equal in cases; 0: none. They depend on the seed and the training cases alone,
            not on how the test cases were chosen.
        seed: 0 or more; the same one gives the same split.

    Raises:
        InvalidInput: ``option_invalid``, with the names that stand in the way.
    """
    _check_options(cases, test=test, test_share=test_share, folds=folds, seed=seed)
    patients = _by_patient(cases)
    if test:
        chosen = _named(patients, frozenset(test))
    elif test_share > 0:
        chosen = _drawn(patients, max(1, round(test_share * len(cases))), np.random.default_rng([seed, 0]))
    else:
        chosen = []
    remaining = [group for group in patients if group not in chosen]
    if not remaining:
        raise _refused(
            f"Nothing is left to train on: all {len(cases)} volumes are test volumes.",
            hint="Take fewer of them for the test, or add volumes of other patients.",
        )
    return Split(
        train=_names(remaining),
        test=_names(chosen),
        folds=_folds(remaining, folds, np.random.default_rng([seed, 1])),
    )


_Patient = tuple[SplitCase, ...]


def _check_options(
    cases: Sequence[SplitCase], *, test: Collection[str], test_share: float, folds: int, seed: int
) -> None:
    if not cases:
        raise _refused("There are no volumes to split.", hint="Choose at least one.")
    names = [case.case for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise _refused(f"Two volumes have the same name: {_listed(twice)}.")
    if not 0 <= test_share < 1:
        raise _refused(f"The share of test volumes must be from 0 to below 1, not {test_share}.")
    if test and test_share > 0:
        raise _refused("The test volumes are both named and to be drawn by share.", hint="Do one of the two.")
    if folds < 0 or folds == 1:
        raise _refused(f"{folds} cannot be a number of folds.", hint="Take 0 for none, or at least 2.")
    if seed < 0:
        raise _refused(f"The seed must be 0 or more, not {seed}.")


def _by_patient(cases: Iterable[SplitCase]) -> list[_Patient]:
    """Cases grouped by patient, in an order that depends on names alone."""
    groups: dict[tuple[bool, str], list[SplitCase]] = {}
    for case in sorted(cases, key=lambda case: case.case):
        stated = bool(case.patient)
        groups.setdefault((stated, case.patient if stated else case.case), []).append(case)
    return [tuple(groups[key]) for key in sorted(groups)]


def _named(patients: Sequence[_Patient], test: frozenset[str]) -> list[_Patient]:
    unknown = sorted(test.difference(_names(patients)))
    if unknown:
        raise _refused(
            f"These test volumes are not in the dataset: {_listed(unknown)}.",
            hint="Take them out of the list, or change what goes in.",
        )
    chosen = [group for group in patients if any(case.case in test for case in group)]
    divided = [case.case for group in chosen for case in group if case.case not in test]
    if divided:
        raise _refused(
            f"These volumes are of the same patients as test volumes: {_listed(divided)}.",
            hint="Name them as test volumes too, or leave them out.",
        )
    _check_references([case for group in chosen for case in group])
    return chosen


def _check_references(cases: Iterable[SplitCase]) -> None:
    bare = sorted(case.case for case in cases if not case.has_reference)
    if bare:
        raise _refused(
            f"These test volumes have no reference mask: {_listed(bare)}.",
            hint="Only a volume with a reference mask can be tested on.",
        )


def _drawn(patients: Sequence[_Patient], wanted: int, rng: np.random.Generator) -> list[_Patient]:
    """Patients for about ``wanted`` test cases; all of a patient's cases need a reference."""
    able = [group for group in patients if all(case.has_reference for case in group)]
    n_able = sum(map(len, able))
    if n_able < wanted:
        bare = sorted(case.case for group in patients for case in group if not case.has_reference)
        raise _refused(
            f"{wanted} volumes are wanted for the test, but only {n_able} are of patients whose volumes all have a "
            f"reference mask. Without one: {_listed(bare)}.",
            hint="Take a smaller share, or import reference masks.",
        )
    chosen: list[_Patient] = []
    n_chosen = 0
    drawn = [able[number] for number in rng.permutation(len(able))]
    for group in drawn:
        if n_chosen + len(group) <= wanted:
            chosen.append(group)
            n_chosen += len(group)
    # Every patient has more cases than wanted: the one with the fewest exceeds it the least.
    return chosen or [min(drawn, key=len)]


def _folds(patients: Sequence[_Patient], count: int, rng: np.random.Generator) -> tuple[Fold, ...]:
    if count == 0:
        return ()
    if count > len(patients):
        raise _refused(
            f"{count} folds need at least {count} patients, and the training volumes are of {len(patients)}.",
            hint="Take fewer folds, or fewer test volumes.",
        )
    shuffled = [patients[number] for number in rng.permutation(len(patients))]
    parts: list[list[_Patient]] = [[] for _ in range(count)]
    sizes = [0] * count
    # The largest patients first, each where the fewest cases are: parts come out as equal as patients allow.
    for group in sorted(shuffled, key=len, reverse=True):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(group)
        sizes[smallest] += len(group)
    return tuple(
        Fold(train=_names(group for group in patients if group not in part), val=_names(part))
        for part in parts
    )


def _names(patients: Iterable[_Patient]) -> tuple[str, ...]:
    return tuple(sorted(case.case for group in patients for case in group))


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _refused(message: str, *, hint: str = "") -> InvalidInput:
    return InvalidInput(ErrorCode.OPTION_INVALID, message, hint=hint)
