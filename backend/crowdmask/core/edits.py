"""What each operation does to a document. The rules: docs/architecture.md, "Saving".

A slice is never both covered by a track and absent: marking slices cuts the tracks there, adding or extending a
track clears the marks there. It also widens the label's range, so that the range always holds every track, and the
slices between, absent only because of the old end, are unknown again. "Not in this volume" is one answer, not a mark
on each slice: the first track, a range given for the label, or a slice cleared takes the whole of it back, so that no
slice stays absent that nobody looked at. Marks set by hand stay, even where they made every slice absent.

All functions return a new document and raise InvalidInput ``slice_out_of_range``, ``track_unknown``,
``box_invalid`` or ``operation_invalid``.
"""

from dataclasses import replace

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.intervals import NO_SLICES, Intervals
from crowdmask.core.keyframes import Keyframe, Track
from crowdmask.core.tracks import AnnotationDocument


def add_track(document: AnnotationDocument, track: Track) -> AnnotationDocument:
    if any(track.id == other.id for other in document.tracks):
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"There already is a track {track.id}.",
            hint="Give a new track a name that the document does not have.",
        )
    document.check_slices(track.first, track.last)
    document = _made_room(_taken_back(document), track)
    return replace(document, tracks=(*document.tracks, track))


def set_keyframe(
    document: AnnotationDocument, track_id: str, z: int, keyframe: Keyframe
) -> AnnotationDocument:
    track = document.track(track_id)
    document.check_slices(z, z)
    keyframes = {**track.keyframes, z: keyframe}
    return _with_track(document, track.changed(min(track.first, z), max(track.last, z), keyframes))


def delete_keyframe(document: AnnotationDocument, track_id: str, z: int) -> AnnotationDocument:
    track = document.track(track_id)
    if z not in track.keyframes:
        raise InvalidInput(ErrorCode.OPERATION_INVALID, f"Track {track.id} has no keyframe on slice {z}.")
    if len(track.keyframes) == 1:
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"Slice {z} holds the only keyframe of track {track.id}.",
            hint="Delete the track instead.",
        )
    keyframes = {at: keyframe for at, keyframe in track.keyframes.items() if at != z}
    return _with_track(document, track.changed(track.first, track.last, keyframes))


def delete_track(document: AnnotationDocument, track_id: str) -> AnnotationDocument:
    gone = document.track(track_id)
    return replace(document, tracks=tuple(track for track in document.tracks if track is not gone))


def set_track_range(document: AnnotationDocument, track_id: str, first: int, last: int) -> AnnotationDocument:
    track = document.track(track_id)
    document.check_slices(first, last)
    if first > track.last or last < track.first:
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"The range {first} to {last} leaves nothing of track {track.id} on {track.first} to {track.last}.",
            hint="Delete the track and add another one there.",
        )
    kept = track.cut(max(first, track.first), min(last, track.last))
    return _with_track(document, Track(track.id, first, last, kept.keyframes, kept.confirmed))


def set_label_range(document: AnnotationDocument, first: int, last: int) -> AnnotationDocument:
    document.check_slices(first, last)
    document = _taken_back(document)
    said = document.absent.without(document.beyond)
    beyond = Intervals(((0, document.shape[0] - 1),)).without_range(first, last)
    marked = _marked(replace(document, absent=said, beyond=NO_SLICES), beyond)
    return replace(marked, beyond=beyond.without(said), label_range=(first, last))


def mark_absent(document: AnnotationDocument, first: int, last: int) -> AnnotationDocument:
    document.check_slices(first, last)
    # A mark that a person sets here outlives the next set_label_range.
    document = replace(document, beyond=document.beyond.without_range(first, last))
    return _marked(document, Intervals(((first, last),)))


def clear_absent(document: AnnotationDocument, first: int, last: int) -> AnnotationDocument:
    document.check_slices(first, last)
    document = _taken_back(document)
    return replace(
        document,
        absent=document.absent.without_range(first, last),
        beyond=document.beyond.without_range(first, last),
    )


def mark_not_in_volume(document: AnnotationDocument) -> AnnotationDocument:
    everything = Intervals(((0, document.shape[0] - 1),))
    return AnnotationDocument(document.shape, absent=everything, not_in_volume=True)


def confirm(document: AnnotationDocument, track_id: str, first: int, last: int) -> AnnotationDocument:
    track = document.track(track_id)
    document.check_slices(first, last)
    if not (track.covers(first) and track.covers(last)):
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"Track {track.id} runs from slice {track.first} to {track.last}; "
            f"{first} to {last} cannot be confirmed.",
        )
    confirmed = track.confirmed.with_range(first, last)
    return _with_track(document, replace(track, confirmed=confirmed))


def replace_document(document: AnnotationDocument, other: AnnotationDocument) -> AnnotationDocument:
    if other.shape != document.shape:
        raise InvalidInput(
            ErrorCode.OPERATION_INVALID,
            f"A document of a volume of {other.shape} cannot replace one of {document.shape}.",
        )
    return other


def _with_track(document: AnnotationDocument, track: Track) -> AnnotationDocument:
    """Put ``track`` in the place of the one with its id."""
    tracks = tuple(track if other.id == track.id else other for other in document.tracks)
    return replace(_made_room(document, track), tracks=tracks)


def _made_room(document: AnnotationDocument, track: Track) -> AnnotationDocument:
    """Where the track lies no slice is absent, and the label's range reaches as far as the track.

    The marks that the range made between its old end and the track go too: the track proves that end wrong, so the slices
    between are to be looked at. Marks that a person set there stay.
    """
    if document.absent.overlaps(track.first, track.last):
        document = clear_absent(document, track.first, track.last)
    if document.label_range is None:
        return document
    first, last = min(document.label_range[0], track.first), max(document.label_range[1], track.last)
    beyond = document.beyond.without_range(first, last)
    return replace(
        document,
        absent=document.absent.without(document.beyond.without(beyond)),
        beyond=beyond,
        label_range=(first, last),
    )


def _taken_back(document: AnnotationDocument) -> AnnotationDocument:
    """Without the answer "not in this volume", if it was given."""
    return AnnotationDocument(document.shape) if document.not_in_volume else document


def _marked(document: AnnotationDocument, marks: Intervals) -> AnnotationDocument:
    """Mark slices absent and cut the tracks there."""
    for first, last in marks.ranges:
        document = replace(document, tracks=_cut_tracks(document.tracks, first, last))
    return replace(document, absent=document.absent.union(marks))


def _cut_tracks(tracks: tuple[Track, ...], first: int, last: int) -> tuple[Track, ...]:
    """What of the tracks lies outside ``first..last``. The second part of a split track gets a new id."""
    taken = {track.id for track in tracks}
    left: list[Track] = []
    for track in tracks:
        if track.last < first or track.first > last:
            left.append(track)
            continue
        if track.first < first:
            left.append(track.cut(track.first, first - 1))
        if track.last > last:
            part = track.cut(last + 1, track.last)
            if track.first < first:
                part = replace(part, id=_second_id(track.id, last + 1, taken))
                taken.add(part.id)
            left.append(part)
    return tuple(left)


def _second_id(track_id: str, first: int, taken: set[str]) -> str:
    """The name the client gave + "/" + the first slice; where that exists, + "/2", "/3", ..."""
    name = f"{track_id.split('/')[0]}/{first}"
    n = 2
    found = name
    while found in taken:
        found = f"{name}/{n}"
        n += 1
    return found
