"""Text that people gave, inside Markdown that we write."""

import re
import unicodedata

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&$!])")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def inline(text: str) -> str:
    """The text as it reads, on one line: no markup, no link, no HTML and no end of a table's cell comes of it.

    Stands behind words of ours, so that it begins no list and no heading.
    """
    return _SPECIAL.sub(r"\\\1", " ".join(_visible(text).split()))


def verbatim(text: str) -> str:
    """The lines as they are, as a block of code whose fence no line of the text can end."""
    lines = [_visible(line).rstrip() for line in text.strip().splitlines()]
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *lines, fence])


def _visible(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in _INVISIBLE else char for char in text)
