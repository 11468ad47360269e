"""Following boxes from slice to slice."""

from collections.abc import Mapping, Sequence

from crowdmask.core.geometry import Box


def chains(boxes: Mapping[int, Sequence[Box]]) -> list[dict[int, Box]]:
    """Join the boxes of consecutive slices into chains, one box per slice of a chain and no slice left out.

    Between two neighbouring slices the pair with the highest intersection over union is joined first, then the
    next highest of what is left (greedy); boxes that do not touch are never joined. Ties go to the box that
    comes first. Every box ends up in exactly one chain; a slice without a box ends all chains.

    Returns:
        Chains (slice -> box, ascending) in the order of their first slice, then of their first box there.
    """
    found: list[dict[int, Box]] = []
    open_chains: list[dict[int, Box]] = []
    before: int | None = None
    for z in sorted(boxes):
        ends = open_chains if before == z - 1 else []
        pairs = sorted(
            (-overlap, i, j)
            for i, chain in enumerate(ends)
            for j, box in enumerate(boxes[z])
            if (overlap := chain[z - 1].iou(box)) > 0
        )
        continued: dict[int, dict[int, Box]] = {}
        used: set[int] = set()
        for _, i, j in pairs:
            if i not in used and j not in continued:
                used.add(i)
                continued[j] = ends[i]
        open_chains = []
        for j, box in enumerate(boxes[z]):
            chain = continued.get(j)
            if chain is None:
                chain = {}
                found.append(chain)
            chain[z] = box
            open_chains.append(chain)
        before = z
    return found
