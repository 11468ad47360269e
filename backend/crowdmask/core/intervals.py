"""Sets of slices, kept as inclusive ranges."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.strict_json import Json


@dataclass(frozen=True, slots=True)
class Intervals:
    """A set of slices: ``(first, last)`` inclusive, ascending, neither overlapping nor touching.

    One set has one form, so equality of the ranges is equality of the sets.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        before = -2
        for first, last in self.ranges:
            if first < 0 or last < first or first <= before + 1:
                raise InvalidInput(
                    ErrorCode.OPERATION_INVALID,
                    f"The slice ranges {str(self.ranges)[:80]} are not ascending, apart and from 0.",
                    hint="Build them with Intervals.of, which sorts and merges.",
                )
            before = last

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> "Intervals":
        """The union of inclusive ranges in any order.

        Raises:
            InvalidInput: ``operation_invalid`` when one runs backwards or starts below 0.
        """
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if first < 0 or last < first:
                raise InvalidInput(
                    ErrorCode.OPERATION_INVALID, f"{first} to {last} is not a range of slices."
                )
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def from_slices(cls, slices: Iterable[int]) -> "Intervals":
        return cls.of((z, z) for z in slices)

    @classmethod
    def from_json(cls, value: Json) -> "Intervals":
        """From ``[[first, last], ...]`` in any order."""
        return cls.of(element.range() for element in value.elements())

    def to_json(self) -> list[list[int]]:
        return [[first, last] for first, last in self.ranges]

    def __bool__(self) -> bool:
        return bool(self.ranges)

    def __len__(self) -> int:
        """The number of slices."""
        return sum(last - first + 1 for first, last in self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The slices, ascending."""
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __contains__(self, z: object) -> bool:
        return isinstance(z, int) and self.overlaps(z, z)

    def overlaps(self, first: int, last: int) -> bool:
        """Whether any slice of ``first..last`` is in the set."""
        # The last range that starts at or before `last` is the only one that can reach back to `first` last.
        at = bisect_right(self.ranges, last, key=lambda found: found[0])
        return at > 0 and self.ranges[at - 1][1] >= first

    def union(self, other: "Intervals") -> "Intervals":
        return Intervals.of((*self.ranges, *other.ranges))

    def with_range(self, first: int, last: int) -> "Intervals":
        return Intervals.of((*self.ranges, (first, last)))

    def without_range(self, first: int, last: int) -> "Intervals":
        left: list[tuple[int, int]] = []
        for a, b in self.ranges:
            if a < first:
                left.append((a, min(b, first - 1)))
            if b > last:
                left.append((max(a, last + 1), b))
        return Intervals.of(left)

    def without(self, other: "Intervals") -> "Intervals":
        left = self
        for first, last in other.ranges:
            left = left.without_range(first, last)
        return left

    def within(self, first: int, last: int) -> "Intervals":
        """The part inside ``first..last``."""
        return Intervals(
            tuple((max(a, first), min(b, last)) for a, b in self.ranges if a <= last and b >= first)
        )


NO_SLICES = Intervals()
