# %% [markdown]
# # From boxes to a dataset, step by step
#
# A worked example in cells: open it in VS Code, Spyder or (with jupytext) Jupyter, or run it as it is with
# `python docs/notebook.py`. It needs `pip install 'crowdmask[ml,client]'`, no data and, up to the last part, no server. The
# tests run it as it stands.
#
# The volume is a generated phantom and the boxes derive from its labels: what follows shows how things are called. Its
# figures say nothing about people or patients.

# %%
import tempfile
import time
from getpass import getpass
from pathlib import Path

import numpy as np

from crowdmask.client import Client
from crowdmask.core.completion import Completion
from crowdmask.core.coverage import split_loss
from crowdmask.core.metrics import score
from crowdmask.core.nifti import read_label_map, read_source_grid, write_mask, write_volume
from crowdmask.core.operations import AddTrack, SetLabelRange
from crowdmask.core.phantom import LEFT_KIDNEY, SPLEEN, abdominal_phantom
from crowdmask.core.simulate import Annotator, simulate
from crowdmask.core.slicepack import SlicePack, write_pack
from crowdmask.core.statistics import compare
from crowdmask.core.study import Way, label_result
from crowdmask.core.tracks import boxes_by_slice
from crowdmask.core.volume import Grid
from crowdmask.core.windowing import Window
from crowdmask_ml.cache import SliceCache
from crowdmask_ml.loading import load_segmenter
from crowdmask_ml.segment import segment_volume

folder = Path(tempfile.mkdtemp(prefix="crowdmask-notebook-"))

# %% [markdown]
# ## A volume
#
# Twelve slices of the phantom. Arrays are `(z, y, x)` on the canonical grid: x to the patient's left, y to the back, z to
# the head. `write_volume` makes a NIfTI file of it, and the slice pack is what models read.

# %%
phantom = abdominal_phantom(np.random.default_rng(0))
voxels, labels = phantom.voxels[28:40], phantom.labels[28:40]
grid = Grid((12, *voxels.shape[1:]), phantom.grid.affine)
write_volume(folder / "ct.nii.gz", voxels, grid)
write_mask(folder / "reference.nii.gz", labels, read_source_grid(folder / "ct.nii.gz"))
write_pack(folder / "ct.pack", voxels)
print(f"volume: {grid}")

# %% [markdown]
# ## Boxes
#
# Two annotators box spleen and left kidney: one as the paper's rule says, one who errs by 2.3 mm at each edge and leaves slices
# out. What they make is a document per label: tracks of boxes, and slices of which nothing is known.

# %%
ORGANS = {SPLEEN: "spleen", LEFT_KIDNEY: "left kidney"}


def boxes_of(annotator: Annotator, **gaps: float) -> dict:
    """A document per label."""
    return {
        index: simulate(
            labels == index, annotator=annotator, grid=grid, rng=np.random.default_rng([7, index]), **gaps
        )
        for index in ORGANS
    }


ideal = boxes_of(Annotator.IDEAL)
crowd = boxes_of(Annotator.CROWD, miss_inner=0.3, miss_ends=0.1)
for index, organ in ORGANS.items():
    print(
        f"{organ}: boxes on {len(boxes_by_slice(ideal[index]))} and {len(boxes_by_slice(crowd[index]))} slices"
    )

# %% [markdown]
# ## Masks
#
# The model encodes a slice once; the cache keeps that for every other box on it. `fill` adds the slices between two boxes,
# `full` also those beyond the ends.

# %%
segmenter = load_segmenter("litemedsam")
cache = SliceCache(folder / "embeddings")
window = Window(low=-160, high=240)


def masks_of(documents: dict, completion: Completion) -> np.ndarray:
    with SlicePack.open(folder / "ct.pack") as pack:
        return segment_volume(
            pack, documents, segmenter, window=window, completion=completion, cache=cache
        ).mask


masks = {
    "ideal boxes": masks_of(ideal, Completion.NONE),
    "crowd, as drawn": masks_of(crowd, Completion.NONE),
    "crowd, filled": masks_of(crowd, Completion.FILL),
}
write_mask(folder / "mask.nii.gz", masks["ideal boxes"], read_source_grid(folder / "ct.nii.gz"))

# %% [markdown]
# ## Evaluate
#
# Dice of the volume, of the slices with a prediction, and distances in mm; and, for the boxes with gaps, where the Dice was
# lost: on slices that nobody boxed, or by the model on the others (docs/reproduce.md).

# %%
for name, mask in masks.items():
    for index, organ in ORGANS.items():
        found = score(mask == index, labels == index, grid.spacing)
        print(
            f"{name}, {organ}: Dice {found.volume_dice:.3f}, on its slices {found.slice_dice:.3f}, "
            f"95 % of the surface within {found.hd95_mm:.1f} mm"
        )

for index, organ in ORGANS.items():
    covered = boxes_by_slice(crowd[index])
    parts = split_loss(masks["crowd, as drawn"] == index, labels == index, covered)
    print(
        f"{organ}: {parts.coverage:.0%} of it was boxed; of a loss of {parts.loss:.3f}, "
        f"{parts.unboxed:.3f} are slices without a box and {parts.model:.3f} the model"
    )

# %% [markdown]
# ## Compare
#
# The paper's comparison: mean ± 1.96 · population standard deviation / sqrt(n), and a Wilcoxon signed-rank test over the same
# slices. Slices of one scan are not independent, so such a p is too small; with several scans test over scans as well.
# `crowdmask compare` does both for two CSV files.

# %%


def slice_dice_of(name: str) -> dict:
    """Dice of each slice and label with a prediction."""
    return {
        (index, z): dice
        for index, organ in ORGANS.items()
        for z, dice in label_result(
            "phantom", organ, Way(name, Completion.NONE), masks[name] == index, labels == index, ()
        ).slices.items()
    }


one, other = slice_dice_of("ideal boxes"), slice_dice_of("crowd, filled")
both = sorted(one.keys() & other.keys())
result = compare(np.array([one[key] for key in both]), np.array([other[key] for key in both]))
print(
    f"slice Dice, ideal boxes {result.a.mean:.3f} ± {result.a.ci:.3f}, crowd, filled {result.b.mean:.3f} ± {result.b.ci:.3f}, "
    f"p = {result.p:.2g} over {result.pairs} slices"
)

# %% [markdown]
# ## The same through a server
#
# Start one with `crowdmask up`, sign in with the link that it prints, and make a token on the account page. The client has
# the same names as the screens; what the server refuses is raised as a typed error with a code.

# %%
client = Client(input("Address of the server: "), getpass("Access token: "))
project = client.create_project("Notebook", labels=["spleen", "left kidney"])
volume = client.upload_volume(project.id, folder / "ct.nii.gz", name="phantom")
while volume.state == "ingesting":
    time.sleep(0.2)
    volume = client.volume(volume.id)
numbers = {label.name: label.index for label in project.labels}
renumbered = np.zeros_like(labels)
for index, organ in ORGANS.items():
    renumbered[labels == index] = numbers[organ]
write_mask(folder / "labels.nii.gz", renumbered, read_source_grid(folder / "ct.nii.gz"))
client.upload_reference(volume.id, folder / "labels.nii.gz", origin="generated")
client.create_tasks(project.id, volume_ids=[volume.id], label_indices=list(numbers.values()))
print(f"\n{volume.name}: {volume.state}, shape {volume.shape}")

# %% [markdown]
# A task is reserved, boxed, and handed in when every slice is decided: the label's first and last slice say that it is nowhere
# else. The worker makes the mask.

# %%
submitted = []
while (work := client.next_task(project.id)) is not None:
    annotation = client.open_annotation(work.id)
    document = next(ideal[index] for index, organ in ORGANS.items() if organ == work.label.name)
    first = min(track.first for track in document.tracks)
    last = max(track.last for track in document.tracks)
    operations = [*(AddTrack.of(track) for track in document.tracks), SetLabelRange(first, last)]
    saved = client.save(annotation, operations, revision=annotation.revision)
    client.submit(annotation.id, revision=saved.revision)
    submitted.append((work.label.name, annotation.id))

for organ, annotation_id in submitted:
    while (made := client.mask(annotation_id)).state in ("queued", "running"):
        time.sleep(0.5)
    client.download_mask(made.segmentation_id, folder / f"{organ}.nii.gz")
    mask = read_label_map(folder / f"{organ}.nii.gz").voxels
    print(f"{organ}: mask {made.state}, {np.count_nonzero(mask)} voxels, values {np.unique(mask).tolist()}")

# %% [markdown]
# Evaluate all masks that have a reference, keep the report and the scores, list what the project holds, and freeze it as an nnU-Net v2 dataset.

# %%
client.evaluate(project.id)
while not all(row.evaluated for row in client.evaluations(project.id)):
    time.sleep(0.5)
for row in client.evaluations(project.id):
    print(f"{row.volume_name}, {row.label.name}: Dice {row.volume_dice:.3f}")

client.download_report(project.id, folder / "report.html")
client.download_scores(project.id, folder / "scores.csv")

preview = client.preview_export(project.id)
print(f"into the dataset: {', '.join(preview.cases)}; left out: {dict(preview.left_out)}")
export = client.wait_for_export(client.create_export(project.id, name="Notebook").id)
client.download_export(export.id, folder / "dataset.zip")
client.download_export_part(export.id, "boxes-csv", folder / "boxes.csv")
print("projects:", ", ".join(one.name for one in client.projects()))
print("volumes:", ", ".join(one.name for one in client.volumes(project.id)))
print("datasets:", ", ".join(one.dataset_name for one in client.exports(project.id)))
print(f"everything is in {folder}")

# %% [markdown]
# With more scans, references for the test, and a worker that trains (docs/trainings.md), `client.start_training(export.id)` and
# `client.wait_for_training(...)` go on from here; `client.create_twin(...)` makes the dataset to compare with.

# %%
client.close()
