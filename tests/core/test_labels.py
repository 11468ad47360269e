"""Label sets and names."""

import pytest

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.labels import Label, LabelSet, checked_name

ORGANS = ["spleen", "right kidney", "left kidney", "liver", "aorta"]


def test_names_are_numbered_from_one_in_their_order():
    labels = LabelSet.from_names(ORGANS)
    assert [label.index for label in labels.labels] == [1, 2, 3, 4, 5]
    assert labels.name(4) == "liver"
    assert labels.index("aorta") == 5


def test_a_label_set_comes_back_from_json_as_it_was():
    labels = LabelSet.from_names(ORGANS)
    assert LabelSet.from_json(labels.to_json()) == labels
    assert labels.to_json()[0] == {"index": 1, "name": "spleen"}


def test_255_labels_fit_and_256_do_not():
    assert LabelSet.from_names(f"structure {n}" for n in range(255)).name(255) == "structure 254"
    with pytest.raises(InvalidInput, match="256"):
        LabelSet.from_names(f"structure {n}" for n in range(256))


@pytest.mark.parametrize(
    "labels",
    [
        (),
        (Label(2, "liver"),),
        (Label(1, "liver"), Label(3, "spleen")),
        (Label(2, "liver"), Label(1, "spleen")),
        (Label(1, "liver"), Label(1, "spleen")),
        (Label(1, "liver"), Label(2, "Liver")),
        (Label(1, "stra\u00dfe"), Label(2, "STRASSE")),
    ],
)
def test_a_set_that_is_not_consecutive_or_repeats_names_is_refused(labels):
    with pytest.raises(InvalidInput) as refused:
        LabelSet(labels)
    assert refused.value.code is ErrorCode.LABELS_INVALID


@pytest.mark.parametrize("index", [0, -1, 256, True, 1.0])
def test_a_number_that_a_mask_cannot_hold_is_refused(index):
    with pytest.raises(InvalidInput) as refused:
        Label(index, "liver")
    assert refused.value.code is ErrorCode.LABELS_INVALID


@pytest.mark.parametrize(
    "name",
    ["", "   ", "li\nver", "li\x00ver", "li\u202ever", "li\u200bver", "x" * 101, "Background", 5, "\ud800"],
)
def test_an_unusable_name_is_refused(name):
    with pytest.raises(InvalidInput) as refused:
        Label(1, name)
    assert refused.value.code is ErrorCode.LABELS_INVALID


def test_a_name_is_kept_in_one_form():
    assert Label(1, " e\u0301pine ").name == "\u00e9pine"
    assert checked_name("  Upper abdomen ") == "Upper abdomen"
    assert checked_name("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"
    with pytest.raises(InvalidInput) as refused:
        checked_name("x" * 201)
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_an_unknown_label_is_named_with_the_known_ones():
    labels = LabelSet.from_names(ORGANS)
    for ask in (lambda: labels.name(6), lambda: labels.index("pancreas")):
        with pytest.raises(InvalidInput, match="4 liver") as refused:
            ask()
        assert refused.value.code is ErrorCode.LABEL_UNKNOWN


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        "liver",
        [{"index": 1}],
        [{"index": 1, "name": "liver", "colour": "red"}],
        [{"index": "1", "name": "liver"}],
        [{"index": True, "name": "liver"}],
        [{"index": 10**30, "name": "liver"}],
    ],
)
def test_json_that_is_no_label_set_is_refused(value):
    with pytest.raises(InvalidInput) as refused:
        LabelSet.from_json(value)
    assert refused.value.code is ErrorCode.LABELS_INVALID
