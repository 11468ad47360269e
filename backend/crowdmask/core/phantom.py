"""A generated abdominal CT with its label map, for the demo and for tests that need no real data.

It looks like a portal-venous CT to a segmenter (Hounsfield values, fat between the organs, noise, a little blur)
and is asymmetric, so that a mirrored axis shows: the liver lies on the patient's right, the spleen on the left,
the right kidney lower than the left one. It is not anatomy: organs are tilted ellipsoids.

Coordinates here are millimetres along the canonical axes (left, posterior, superior), zero at the middle of the
body.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from crowdmask.core.labels import Label, LabelSet
from crowdmask.core.volume import Grid

SPACING_MM = 3.0
SHAPE = (60, 100, 120)  # (z, y, x)

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, LIVER, AORTA = 1, 2, 3, 4, 5
PHANTOM_LABELS = LabelSet(
    (
        Label(SPLEEN, "spleen"),
        Label(RIGHT_KIDNEY, "right kidney"),
        Label(LEFT_KIDNEY, "left kidney"),
        Label(LIVER, "liver"),
        Label(AORTA, "aorta"),
    )
)

_AIR, _FAT, _MUSCLE, _SKIN = -1000.0, -100.0, 55.0, 20.0
_NOISE_HU, _BLUR_VOXELS = 14.0, 0.45
# Outer half axes (left, posterior) of the body, and what lies between skin and abdominal cavity, in mm.
_BODY = (165.0, 118.0)
_SKIN_MM, _FAT_MM, _WALL_MM = 3.0, 17.0, 14.0

_Field = NDArray[np.float64]
_Region = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Phantom:
    """``voxels`` int16 (z, y, x) in HU, ``labels`` uint8 (z, y, x) with ``PHANTOM_LABELS``, on ``grid`` (LPS)."""

    voxels: NDArray[np.int16]
    labels: NDArray[np.uint8]
    grid: Grid


@dataclass(frozen=True, slots=True)
class _Organ:
    """A tilted ellipsoid: ``centre`` and half axes in mm (left, posterior, superior), rotations in degrees.

    ``tilt`` turns about the front-to-back axis (the top leans to the left when positive), ``turn`` about the
    head-to-foot axis.
    """

    index: int
    hounsfield: float
    centre: tuple[float, float, float]
    half_axes: tuple[float, float, float]
    tilt: float = 0.0
    turn: float = 0.0


# Later ones win where two overlap: that is how neighbours come to touch without a gap.
_ORGANS = (
    _Organ(LIVER, 98.0, (-68.0, -8.0, 22.0), (58.0, 62.0, 62.0), tilt=12.0, turn=-10.0),
    _Organ(LIVER, 98.0, (-8.0, -46.0, 38.0), (58.0, 26.0, 34.0), tilt=-14.0, turn=8.0),
    _Organ(SPLEEN, 122.0, (97.0, 22.0, 34.0), (25.0, 40.0, 42.0), tilt=-18.0, turn=20.0),
    _Organ(RIGHT_KIDNEY, 178.0, (-55.0, 43.0, -36.0), (24.0, 25.0, 44.0), tilt=10.0, turn=20.0),
    _Organ(LEFT_KIDNEY, 176.0, (64.0, 43.0, -14.0), (24.0, 25.0, 45.0), tilt=-10.0, turn=-20.0),
)


def abdominal_phantom(rng: np.random.Generator) -> Phantom:
    """Generate a volume of 60 x 100 x 120 voxels (z, y, x) of 3 mm with its reference labels.

    Sizes, places, tilts and Hounsfield values vary a little with ``rng``; the same generator state gives the same
    bytes.
    """
    left, posterior, superior = _coordinates()
    voxels = np.full(SHAPE, _AIR)
    labels = np.zeros(SHAPE, dtype=np.uint8)

    cavity = _paint_body(voxels, left, posterior, superior)
    _paint_bowel(voxels, cavity, left, posterior, superior, rng)
    _paint_spine(voxels, left, posterior, superior)
    for organ in _ORGANS:
        region = cavity & _varied_ellipsoid(organ, left, posterior, superior, rng)
        voxels[region] = organ.hounsfield + rng.normal(0.0, 3.0)
        labels[region] = organ.index
    _paint_vessels(voxels, labels, left, posterior, superior, rng)

    voxels = ndimage.gaussian_filter(voxels, _BLUR_VOXELS)
    # CT noise is correlated between neighbours: blurred, then brought back to the wanted spread.
    noise = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (0.3, 0.6, 0.6))
    voxels += noise * (_NOISE_HU / noise.std())
    stored = np.clip(np.rint(voxels), -1024, 3071).astype(np.int16)
    return Phantom(stored, labels, _grid())


def _grid() -> Grid:
    """Canonical LPS, the middle voxel near the origin: x and y of the RAS+ affine fall with the index."""
    nz, ny, nx = SHAPE
    affine = np.diag([-SPACING_MM, -SPACING_MM, SPACING_MM, 1.0])
    affine[:3, 3] = np.array([(nx - 1) / 2, (ny - 1) / 2, -(nz - 1) / 2]) * SPACING_MM
    return Grid(SHAPE, affine)


def _coordinates() -> tuple[_Field, _Field, _Field]:
    """Left, posterior and superior in mm of every voxel centre, each broadcastable to (z, y, x)."""
    nz, ny, nx = SHAPE
    superior, posterior, left = np.ogrid[:nz, :ny, :nx]
    return (
        (left - (nx - 1) / 2) * SPACING_MM,
        (posterior - (ny - 1) / 2) * SPACING_MM,
        (superior - (nz - 1) / 2) * SPACING_MM,
    )


def _paint_body(voxels: _Field, left: _Field, posterior: _Field, superior: _Field) -> _Region:
    """Skin, fat, muscle wall with ribs, fat inside. Returns the abdominal cavity."""
    taper = 1.0 - 0.04 * ((superior + 90.0) / 180.0)

    def inside(depth_mm: float) -> _Region:
        reach_left, reach_posterior = (_BODY[0] - depth_mm) * taper, (_BODY[1] - depth_mm) * taper
        region: _Region = (left / reach_left) ** 2 + (posterior / reach_posterior) ** 2 <= 1.0
        return np.broadcast_to(region, SHAPE)

    voxels[inside(0.0)] = _SKIN
    voxels[inside(_SKIN_MM)] = _FAT
    voxels[inside(_SKIN_MM + _FAT_MM)] = _MUSCLE
    cavity = inside(_SKIN_MM + _FAT_MM + _WALL_MM)
    voxels[cavity] = _FAT

    # Ribs: bands in the wall that fall from the back to the front, 30 mm apart, open at the front and below.
    shell = inside(_SKIN_MM + _FAT_MM + 2.0) & ~inside(_SKIN_MM + _FAT_MM + _WALL_MM - 2.0)
    from_back = np.abs(np.arctan2(left, posterior)) / np.pi  # 0 at the spine, 1 at the front
    height = superior + 95.0 * from_back
    rib = shell & (np.mod(height, 30.0) < 10.0) & (from_back < 0.62) & (height > -10.0)
    voxels[rib] = 330.0
    return cavity


def _paint_spine(voxels: _Field, left: _Field, posterior: _Field, superior: _Field) -> None:
    """Vertebral bodies with discs, arch and canal, psoas and back muscles beside them."""
    for side in (-1.0, 1.0):
        back = ((left - side * 38.0) / 36.0) ** 2 + ((posterior - 82.0) / 15.0) ** 2 <= 1.0
        psoas = ((left - side * 36.0) / 13.0) ** 2 + ((posterior - 56.0) / 15.0) ** 2 <= 1.0
        voxels[np.broadcast_to(back, SHAPE)] = 58.0
        voxels[np.broadcast_to(psoas, SHAPE) & (superior < -20.0)] = 60.0
    body = (left / 23.0) ** 2 + ((posterior - 52.0) / 18.0) ** 2
    disc = np.mod(superior + 90.0, 33.0) < 7.0
    voxels[(body <= 1.0) & disc] = 80.0
    voxels[(body <= 1.0) & ~disc] = 360.0
    voxels[(body <= 0.72) & ~disc] = 190.0
    arch = (left / 19.0) ** 2 + ((posterior - 77.0) / 13.0) ** 2
    voxels[np.broadcast_to(arch <= 1.0, SHAPE)] = 310.0
    voxels[np.broadcast_to(arch <= 0.3, SHAPE)] = 30.0


def _paint_bowel(
    voxels: _Field,
    cavity: _Region,
    left: _Field,
    posterior: _Field,
    superior: _Field,
    rng: np.random.Generator,
) -> None:
    """A stomach and loops of bowel, unlabelled, a few with gas in their front part."""
    stomach = _Organ(0, 32.0, (55.0, -38.0, 42.0), (42.0, 28.0, 34.0), tilt=-20.0)
    voxels[cavity & _varied_ellipsoid(stomach, left, posterior, superior, rng)] = stomach.hounsfield
    for number in range(26):
        centre = (rng.uniform(-95.0, 95.0), rng.uniform(-58.0, 5.0), rng.uniform(-90.0, -20.0))
        half_axes = (rng.uniform(13.0, 24.0), rng.uniform(10.0, 16.0), rng.uniform(12.0, 22.0))
        loop = _Organ(0, rng.uniform(15.0, 60.0), centre, half_axes, turn=rng.uniform(-60.0, 60.0))
        region = cavity & _ellipsoid(loop, left, posterior, superior)
        voxels[region] = loop.hounsfield
        if number % 6 == 0:
            voxels[region & (posterior < centre[1] - 0.3 * half_axes[1])] = -850.0


def _paint_vessels(
    voxels: _Field,
    labels: NDArray[np.uint8],
    left: _Field,
    posterior: _Field,
    superior: _Field,
    rng: np.random.Generator,
) -> None:
    """The aorta on the left before the spine (labelled), the inferior vena cava on its right (not labelled)."""
    sway = 5.0 * np.sin(superior / 55.0 + rng.uniform(-0.5, 0.5))
    radius = 11.0 + rng.normal(0.0, 0.4)
    cava = ((left + 19.0) / 12.0) ** 2 + ((posterior - 22.0) / 9.0) ** 2 <= 1.0
    voxels[np.broadcast_to(cava, SHAPE) & (labels == 0)] = 140.0
    aorta = (left - 12.0 - sway) ** 2 + (posterior - 21.0 - 0.4 * sway) ** 2 <= radius**2
    voxels[aorta] = 160.0 + rng.normal(0.0, 3.0)
    labels[aorta] = AORTA


def _varied_ellipsoid(
    organ: _Organ, left: _Field, posterior: _Field, superior: _Field, rng: np.random.Generator
) -> _Region:
    """The organ's region with place, size and tilt varied by ``rng``, little enough to keep its neighbours."""
    shift = rng.normal(0.0, 2.0, 3)
    scale = 1.0 + np.clip(rng.normal(0.0, 0.03, 3), -0.08, 0.08)
    x, y, z = (float(value) for value in np.array(organ.centre) + shift)
    a, b, c = (float(value) for value in np.array(organ.half_axes) * scale)
    varied = _Organ(
        organ.index,
        organ.hounsfield,
        (x, y, z),
        (a, b, c),
        organ.tilt + rng.normal(0.0, 3.0),
        organ.turn + rng.normal(0.0, 3.0),
    )
    return _ellipsoid(varied, left, posterior, superior)


def _ellipsoid(organ: _Organ, left: _Field, posterior: _Field, superior: _Field) -> _Region:
    """Voxels (z, y, x) whose centre lies in the ellipsoid."""
    dl, dp, ds = left - organ.centre[0], posterior - organ.centre[1], superior - organ.centre[2]
    tilt, turn = np.deg2rad(organ.tilt), np.deg2rad(organ.turn)
    tl, ts = np.cos(tilt) * dl - np.sin(tilt) * ds, np.sin(tilt) * dl + np.cos(tilt) * ds
    ul, up = np.cos(turn) * tl + np.sin(turn) * dp, -np.sin(turn) * tl + np.cos(turn) * dp
    a, b, c = organ.half_axes
    region: _Region = (ul / a) ** 2 + (up / b) ** 2 + (ts / c) ** 2 <= 1.0
    return region
