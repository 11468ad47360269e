"""The gate's child process answers as the library does; its parent stays light."""

import gzip
import logging
import os
import subprocess
import sys

import pytest

from crowdmask.core.errors import CrowdmaskError, ErrorCode, InvalidInput
from crowdmask.core.nifti import read_label_map, read_volume
from crowdmask.volumes.gate import GateKind, run_gate
from tests.faults.image_files import SHAPE, noise, plain, write


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (gzip.compress(plain())[:-9], GateKind.VOLUME),
        (b"", GateKind.VOLUME),
        (bytes(plain(sform=0, qform=0)), GateKind.VOLUME),
        (bytes(plain(noise((*SHAPE, 3)))), GateKind.VOLUME),
        (bytes(plain()), GateKind.LABELS),
    ],
    ids=["truncated", "empty", "no orientation", "several volumes", "no labels"],
)
def test_the_child_process_refuses_with_the_same_error_as_the_library(tmp_path, content, kind):
    path = write(tmp_path, content)
    with pytest.raises(InvalidInput) as here:
        (read_label_map if kind is GateKind.LABELS else read_volume)(path)
    with pytest.raises(InvalidInput) as in_child:
        run_gate(path, kind=kind)
    for field in ("code", "message", "hint"):
        assert getattr(in_child.value, field) == getattr(here.value, field)
    assert list(tmp_path.iterdir()) == [path], "something was left behind"


def test_messages_and_notices_are_about_the_file_that_people_know(tmp_path):
    """A stored file is named by its hash."""
    stored = write(tmp_path, bytes(plain()), "ab" * 32)
    assert run_gate(stored, kind=GateKind.VOLUME).notices == ()
    told = run_gate(stored, kind=GateKind.VOLUME, name="ct.nii.gz")
    assert [notice.code for notice in told.notices] == ["renamed"]
    with pytest.raises(InvalidInput, match=r"^labels\.nii: A label map holds"):
        run_gate(stored, kind=GateKind.LABELS, name="labels.nii")
    stored.write_bytes(plain()[:-1])
    with pytest.raises(InvalidInput) as caught:
        run_gate(stored, kind=GateKind.VOLUME, name="ct.nii")
    assert caught.value.message.startswith("ct.nii: The file ends after")
    with pytest.raises(InvalidInput) as caught:
        run_gate(stored, kind=GateKind.VOLUME)
    assert caught.value.message.startswith("The file ends after")
    with pytest.raises(InvalidInput) as caught:
        run_gate(stored, kind=GateKind.VOLUME, name="ct.nii", cpu_seconds=0)
    assert caught.value.message.startswith("ct.nii needs more than")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("--help", "--help"),
        ("a\x00b\n\u202ec.nii", "a?b??c.nii"),
        (os.fsdecode(b"M\xfcller.nii"), "M?ller.nii"),
        ("x" * 10_000 + ".nii.gz", f"{'x' * 60}...{'x' * 23}.nii.gz"),
    ],
    ids=["option", "unprintable", "not UTF-8", "long"],
)
def test_a_strange_name_does_no_harm(tmp_path, name, shown):
    with pytest.raises(InvalidInput) as caught:
        run_gate(write(tmp_path, b""), kind=GateKind.VOLUME, name=name)
    assert caught.value.message == f"{shown}: The file is empty."


def test_a_child_that_fails_for_a_reason_of_our_own_leaves_that_reason_in_the_log(
    tmp_path, monkeypatch, caplog
):
    broken = tmp_path / "python"
    broken.write_text('#!/bin/sh\necho "cannot load libz for $4: $5" >&2\nexit 3\n')
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with caplog.at_level(logging.ERROR), pytest.raises(CrowdmaskError) as caught:
        run_gate(write(tmp_path, bytes(plain()), "doe.nii"), kind=GateKind.VOLUME)
    assert caught.value.code is ErrorCode.INTERNAL
    assert "doe.nii" in caught.value.message
    assert "ended with 3" in caplog.text
    assert "cannot load libz" in caplog.text
    assert "doe" not in caplog.text


def test_the_parent_of_the_gate_needs_no_nibabel():
    """The server starts without it, and so does everything that only reads slices."""
    program = (
        "import sys, crowdmask.volumes.gate, crowdmask.core.slicepack, crowdmask.core.windowing; "
        "sys.exit(any(name.split('.')[0] in {'nibabel', 'scipy', 'torch'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
