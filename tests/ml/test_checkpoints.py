"""Weights are trusted by hash, then read as weights only; everything else is one clear refusal."""

import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from crowdmask.core.errors import Corrupt, ErrorCode, InvalidInput, Unavailable
from crowdmask_ml.checkpoints import download, models_folder
from crowdmask_ml.loading import check_present, download_checkpoint, load_segmenter
from crowdmask_ml.registry import MODELS, ModelSpec, find_model
from tests.ml.conftest import spec_like


class Hostile:
    """What unpickling it would do is to make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.target),)


def test_a_missing_checkpoint_says_where_to_get_and_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        load_segmenter("sam-vit-b")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING
    assert str(tmp_path / "sam_vit_b_01ec64.pth") in str(caught.value)
    assert "dl.fbaipublicfiles.com" in str(caught.value)


def test_a_named_checkpoint_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.pth") as caught:
        load_segmenter("litemedsam", checkpoint=tmp_path / "nowhere.pth")
    assert caught.value.code is ErrorCode.CHECKPOINT_MISSING


def test_a_wrong_hash_is_refused_with_both_hashes(small_checkpoint: Path) -> None:
    with pytest.raises(Corrupt) as caught:
        load_segmenter("medsam", checkpoint=small_checkpoint)
    assert caught.value.code is ErrorCode.CHECKPOINT_MISMATCH
    assert hashlib.sha256(small_checkpoint.read_bytes()).hexdigest() in caught.value.message
    assert MODELS["medsam"].sha256 in caught.value.message


def test_a_hostile_pickle_is_refused_by_its_hash_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    torch.save({"model": Hostile(tmp_path / "ran")}, path)
    with pytest.raises(Corrupt, match="sha256"):
        load_segmenter("litemedsam", checkpoint=path)
    assert not (tmp_path / "ran").exists()


def test_a_hostile_pickle_with_the_expected_hash_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hostile.pth"
    torch.save({"model": Hostile(tmp_path / "ran")}, path)
    spec = spec_like("sam-vit-b", path)
    with pytest.raises(Corrupt, match="something else than weights"):
        spec.loader(spec, path)
    assert not (tmp_path / "ran").exists()


def test_a_truncated_file_with_the_expected_hash_is_refused(tmp_path: Path, small_checkpoint: Path) -> None:
    path = tmp_path / "short.pth"
    path.write_bytes(small_checkpoint.read_bytes()[:5000])
    spec = spec_like("sam-vit-b", path)
    with pytest.raises(Corrupt, match="something else than weights"):
        spec.loader(spec, path)


def test_weights_of_another_network_are_refused(small_checkpoint: Path) -> None:
    spec = replace(spec_like("sam-vit-b", small_checkpoint), loader=MODELS["litemedsam"].loader)
    with pytest.raises(Corrupt, match="do not fit") as caught:
        spec.loader(spec, small_checkpoint)
    assert caught.value.code is ErrorCode.CHECKPOINT_MISMATCH


def test_weights_kept_beside_an_optimiser_are_found(tmp_path: Path, small_checkpoint: Path) -> None:
    path = tmp_path / "training.pth"
    torch.save({"model": torch.load(small_checkpoint, weights_only=True), "epoch": 3}, path)
    spec = spec_like("sam-vit-b", path)
    assert spec.loader(spec, path).model_hash == spec.sha256


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="litemedsam, sam-vit-b") as caught:
        find_model("sam3")
    assert caught.value.code is ErrorCode.MODEL_UNKNOWN


def test_the_models_folder_follows_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    assert models_folder() == tmp_path
    monkeypatch.delenv("CROWDMASK_MODELS")
    assert models_folder().parts[-2:] == ("crowdmask", "models")


# ---- before any work ----


def test_a_model_is_known_to_be_there_or_not_without_loading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    check_present("litemedsam")
    with pytest.raises(Unavailable, match=r"sam_vit_b_01ec64\.pth") as missing:
        check_present("sam-vit-b")
    assert missing.value.code is ErrorCode.CHECKPOINT_MISSING
    (tmp_path / "sam_vit_b_01ec64.pth").write_bytes(b"something else")
    with pytest.raises(Corrupt, match="sha256") as wrong:
        check_present("sam-vit-b")
    assert wrong.value.code is ErrorCode.CHECKPOINT_MISMATCH


# ---- downloads ----


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """An address and the folder whose files it gives."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", folder
        served.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _downloadable(content: bytes, url: str) -> ModelSpec:
    return replace(MODELS["sam-vit-b"], sha256=hashlib.sha256(content).hexdigest(), url=url)


def test_a_download_appears_whole_in_the_models_folder(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path / "models"))
    content = os.urandom(3_000_000)
    (folder / "weights.pth").write_bytes(content)
    spec = _downloadable(content, f"{address}/weights.pth")
    steps: list[tuple[int, int | None]] = []
    path = download_checkpoint(spec, lambda came, total: steps.append((came, total)))
    assert path == tmp_path / "models" / "sam_vit_b_01ec64.pth"
    assert path.read_bytes() == content
    assert steps[-1] == (len(content), len(content))
    assert len(steps) > 1
    (folder / "weights.pth").unlink()
    # What is there is checked, not fetched again.
    assert download_checkpoint(spec, lambda came, total: None) == path


def test_a_models_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be written") as caught:
        download(
            "http://127.0.0.1:9/x",
            tmp_path / "file" / "x.pth",
            sha256="0",
            model="x",
            progress=lambda *_: None,
        )
    assert "CROWDMASK_MODELS" in caught.value.hint


def test_what_has_another_hash_never_appears(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path / "models"))
    (folder / "weights.pth").write_bytes(b"something else")
    with pytest.raises(Corrupt, match="expected") as caught:
        download_checkpoint(_downloadable(b"weights", f"{address}/weights.pth"), lambda came, total: None)
    assert caught.value.code is ErrorCode.CHECKPOINT_MISMATCH
    assert not list((tmp_path / "models").iterdir())


def test_without_a_connection_address_and_place_are_said(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _ = server
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path / "models"))
    # Nobody listens on port 1; the server does not have the other.
    for url in ("http://127.0.0.1:1/weights.pth", f"{address}/nothing.pth"):
        with pytest.raises(Unavailable) as caught:
            download_checkpoint(_downloadable(b"weights", url), lambda came, total: None)
        assert caught.value.code is ErrorCode.CHECKPOINT_MISSING
        assert url in caught.value.message
        assert str(tmp_path / "models" / "sam_vit_b_01ec64.pth") in caught.value.hint
    assert not list((tmp_path / "models").iterdir())


def test_what_programs_cannot_fetch_says_where_people_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDMASK_MODELS", str(tmp_path))
    with pytest.raises(Unavailable, match="Google Drive") as caught:
        download_checkpoint(MODELS["medsam"], lambda came, total: None)
    assert str(tmp_path / "medsam_vit_b.pth") in caught.value.hint
