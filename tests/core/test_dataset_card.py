"""The card of a dataset: all that is known, nothing that is not, and no markup of other people's."""

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crowdmask.core.completion import Completion
from crowdmask.core.dataset_card import dataset_card, methods_text
from crowdmask.core.dataset_facts import (
    AgreementFacts,
    Counted,
    DatasetFacts,
    Effort,
    ModelFacts,
    SliceCounts,
    SplitFacts,
)
from crowdmask.core.labels import LabelSet
from crowdmask.core.markdown import inline, verbatim

BARE = DatasetFacts(
    dataset_name="Dataset501_Abdomen",
    project_name="Abdomen",
    crowdmask="0.1.0",
    channel_name="CT",
    labels=LabelSet.from_names(["liver", "left kidney"]),
    training_volumes=9,
    test_volumes=0,
)
FULL = replace(
    BARE,
    test_volumes=3,
    licences=(Counted("CC BY 4.0", 10), Counted("", 2)),
    modalities=(Counted("CT", 12),),
    reference_origins=(Counted("expert", 3),),
    qualifications=(Counted("medical student", 2), Counted("", 1)),
    label_rule="the work that was submitted first is taken",
    filters=("every slice is decided",),
    left_out=(Counted("liver has 0 of 1 answers", 4), Counted("it could not be read", 1)),
    volumes_left_out=5,
    effort=Effort(minutes=120.0, annotations=24, boxes=800),
    slices=SliceCounts(drawn=200, confirmed=100, interpolated=50, filled=30, guessed=20, absent=550, unknown=50),
    boxes_by_source=(Counted("drawn", 780), Counted("simulated", 20)),
    agreement=AgreementFacts(box_iou=0.8249, tasks=6),
    models=(ModelFacts("litemedsam", "ab" * 32, 24, "-160 to 240"),),
    completion=Completion.FULL,
    partial_rule="a volume that lacks a label is left out",
    overlap_rule="a voxel claimed by several labels belongs to the one with the fewest voxels",
    overlapping_voxels=1234,
    split=SplitFacts(folds=5, seed=7, without_patient=2),
    citation="Doe et al.\nA set of scans, 2020",
)  # fmt: skip


def test_the_paragraph_says_how_the_labels_were_made_with_every_denominator() -> None:
    assert methods_text(FULL) == (
        "The dataset holds 9 volumes for training and 3 for the test (CT: 12), with labels of liver, left kidney. "
        "3 people drew boxes on axial slices in Crowdmask 0.1.0 (qualification as stated: medical student: 2, not stated: 1). "
        "20 boxes were made by simulated annotators from reference masks: they say nothing about people. "
        "The work that was submitted first is taken. "
        "It took 120.0 active minutes in all, 5.0 minutes for each of 24 annotations (a person, a volume, a label) and "
        "9.0 seconds for each of 800 boxes that people made. "
        "Masks were made from the boxes slice by slice by litemedsam (sha256 abababababab, 24 masks, grey values -160 to 240). "
        "Slices nobody had decided were filled in between two boxed pieces of a label, and guessed beyond its ends. "
        "Voxels that several labels claim: a voxel claimed by several labels belongs to the one with the fewest voxels "
        "(there were 1,234). "
        "Of 1,000 slices, counted once per label, 20.0 % (200) drawn or corrected by a person, 10.0 % (100) looked at by a "
        "person and left, 5.0 % (50) interpolated between drawn boxes, not looked at, 3.0 % (30) filled in between pieces, "
        "2.0 % (20) guessed beyond the ends, 55.0 % (550) marked as without the label and 5.0 % (50) decided by nobody. "
        "Boxes of two people overlapped with a mean IoU of 0.82 over the 6 tasks that several people did. "
        "A volume that lacks a label is left out. "
        "5 volumes of the project were left out (liver has 0 of 1 answers: 4, it could not be read: 1). "
        "Test volumes were kept apart, and the others divided into 5 folds (seed 7); volumes of one patient stand on one "
        "side. The patient of 2 volumes is not stated; each counts as a patient of its own. "
        "Test volumes carry reference labels (origin of reference masks: expert: 3)."
    )


def test_what_is_unknown_is_said_to_be_unknown_and_no_number_is_made_up() -> None:
    text = methods_text(BARE)
    assert text == (
        "The dataset holds 9 volumes for training and 0 for the test (modality not stated), with labels of liver, left "
        "kidney. No person's work is in it. The time that it took is unknown. No model made a mask of it. What the labels "
        "of the single slices rest on is unknown. How far people agree is unknown: no task in it was done by several."
    )
    card = dataset_card(BARE)
    for words in (
        "Nobody stated a licence",
        "Nobody stated a modality",
        "No reference mask is in it",
        "It is not known where the boxes come from",
        "No condition was set",
        "does not state how the makers of the volumes want to be cited",
    ):
        assert words in card
    assert "nan" not in card.lower()
    empty = replace(FULL, effort=Effort(0.0, 0, 0), slices=SliceCounts(), agreement=AgreementFacts(1.0, 0))
    assert "It took 0.0 active minutes in all." in methods_text(empty)
    assert "Of 0 slices" not in dataset_card(empty)


def test_the_card_names_licences_people_models_reasons_and_how_to_cite() -> None:
    card = dataset_card(FULL)
    for line in (
        "| CC BY 4.0 | 10 |",
        "| not stated | 2 |",
        "| medical student | 2 |",
        "| drawn or corrected by a person | 200 | 20.0 % |",
        f"| litemedsam | {'ab' * 32} | -160 to 240 | 24 |",
        "| liver has 0 of 1 answers | 4 |",
        "| 2 | left kidney |",
        "- Crowdmask 0.1.0, the software that the boxes were drawn in and this dataset was made with.",
        "```text\nDoe et al.\nA set of scans, 2020\n```",
        "arXiv:2402.05713",
    ):
        assert line in card
    assert methods_text(FULL) in card
    assert card.endswith("\n")
    assert dataset_card(replace(FULL)) == card


HOSTILE = "a|b\n# c <script>alert(1)</script> [x](javascript:y) ![p](q) `code` *s* _u_ \u202e &lt;"


@pytest.mark.parametrize("field", ["project_name", "label_rule", "partial_rule", "overlap_rule", "crowdmask"])
def test_markup_in_what_people_wrote_stays_text(field: str) -> None:
    assert field in {one.name for one in fields(DatasetFacts)}
    _is_harmless(dataset_card(replace(FULL, **{field: HOSTILE})))


def test_markup_in_lists_stays_text_and_cells_stay_cells() -> None:
    hostile = replace(
        FULL,
        labels=LabelSet.from_names(["a|b <script> [x](y) _u_"]),
        licences=(Counted(HOSTILE, 1),),
        modalities=(Counted(HOSTILE, 1),),
        qualifications=(Counted(HOSTILE, 1),),
        left_out=(Counted(HOSTILE, 1),),
        filters=(HOSTILE,),
        models=(ModelFacts(HOSTILE, HOSTILE, 1, HOSTILE),),
    )
    _is_harmless(dataset_card(hostile))


def _is_harmless(card: str) -> None:
    for line in card.splitlines():
        bare = line.replace("\\\\", "")
        for mark in ("<script", "[x](", "![p]", "*s*", "_u_", "&lt;"):
            at = bare.find(mark)
            assert at < 1 or bare[at - 1] == "\\", line
        assert "\u202e" not in line
        if line.startswith("| "):
            assert line.replace("\\|", "").count("|") in (3, 4, 5)
        if line.startswith("#"):
            assert "script" not in line


@given(st.text(max_size=80))
def test_a_fence_is_never_ended_by_what_stands_in_it(text: str) -> None:
    block = verbatim(text).split("\n")
    fence = block[0].removesuffix("text")
    assert block[-1] == fence
    assert all(fence not in line for line in block[1:-1])
    assert "\n" not in inline(text)
