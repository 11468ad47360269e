"""Plots as SVG: one code for the page, where they are images, and for reports, where they stand in the file.

They are as narrow as a phone, so that their letters can be read there: names stand above what they name, not beside it.

Colours are Okabe and Ito's; series also differ in the shape of their points and in dashes. All text is escaped: names come
from people.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from crowdmask.core.statistics import Values, bland_altman

_WIDTH = 460
_LEFT, _RIGHT = 14, 90
_ROW, _GAP, _HEAD, _FOOT, _LINE = 26, 8, 40, 46, 18
_PANEL, _PANEL_LEFT, _PANEL_RIGHT = 246, 62, 120
_COLOURS = ("#0072b2", "#d55e00")
_DASHES = ("", ' stroke-dasharray="5 3"')
_LONGEST_LINE = 60  # characters


@dataclass(frozen=True, slots=True, eq=False)
class BoxGroup:
    """What stands together in a box plot: one name, and values ``(n,)`` of each series; NaN where undefined."""

    name: str
    series: tuple[Values, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Two measurements ``(n,)`` of the same things; NaN where undefined."""

    name: str
    a: Values
    b: Values


def box_plot(title: str, groups: Sequence[BoxGroup], series: Sequence[str]) -> str:
    """Boxes from the first to the third quartile with the median, whiskers to the last value within 1.5 times that range
    (Tukey), and every value as a point.

    Args:
        series: the names of the one or two series, in the order of each group's values.
    """
    values = _defined(np.concatenate([one for group in groups for one in group.series] or [np.empty(0)]))
    low, high = _domain(values)
    scale = _Scale(low, high, _LEFT, _WIDTH - _RIGHT)
    parts, y = [_legend(series)] if len(series) > 1 else [], float(_HEAD)
    if len(series) > 1:
        y += _LINE * len(series)
    top = y
    for group in groups:
        parts.append(_text(_LEFT, y + 12, group.name, weight="600"))
        y += _LINE
        for at, found in enumerate(group.series):
            parts.append(_box(scale, y + _ROW * (at + 0.5), found, at))
        y += _ROW * len(group.series) + _GAP
    if not values.size:
        parts.append(_text(_LEFT, y + 10, "No value is defined."))
        y += _ROW
    axis = [
        f'<line x1="{scale(tick):.1f}" x2="{scale(tick):.1f}" y1="{top - 6:.1f}" y2="{y:.1f}" stroke="#d3d9df"/>'
        + _text(scale(tick), y + 18, _number(tick), anchor="middle")
        for tick in _ticks(low, high)
    ]
    return _svg(title, y + _FOOT - 16, [*axis, *parts])


def bland_altman_plot(title: str, panels: Sequence[Panel], unit: str) -> str:
    """Differences ``a - b`` over their means, one panel each, with the mean difference and the limits of agreement."""
    parts: list[str] = []
    y = float(_HEAD)
    for panel in panels:
        parts += _panel(panel, y, unit)
        y += _PANEL
    if not panels:
        parts.append(_text(_LEFT, y + 10, "No value is defined."))
        y += _ROW
    return _svg(title, y + 8, parts)


@dataclass(frozen=True, slots=True)
class _Scale:
    """From a value to a place on the picture."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _box(scale: _Scale, y: float, values: Values, series: int) -> str:
    found = _defined(values)
    undefined = len(values) - len(found)
    said = f"n = {len(found)}" + (f", {undefined} undef." if undefined else "")
    parts = [_text(_WIDTH - _RIGHT + 8, y + 4, said)]
    if len(found):
        first, median, third = (float(one) for one in np.percentile(found, (25, 50, 75)))
        reach = 1.5 * (third - first)
        low = float(found[found >= first - reach].min())
        high = float(found[found <= third + reach].max())
        colour, dash = _COLOURS[series], _DASHES[series]
        line = f'stroke="{colour}" stroke-width="1.5"{dash}'
        parts += [
            f'<line x1="{scale(low):.1f}" x2="{scale(high):.1f}" y1="{y:.1f}" y2="{y:.1f}" {line}/>',
            f'<rect x="{scale(first):.1f}" y="{y - 8:.1f}" width="{scale(third) - scale(first):.1f}" height="16" '
            f'fill="#ffffff" {line}/>',
            f'<line x1="{scale(median):.1f}" x2="{scale(median):.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}" '
            f'stroke="{colour}" stroke-width="3"/>',
            *(_point(scale(float(one)), y, series) for one in found),
        ]
    return "".join(parts)


def _panel(panel: Panel, top: float, unit: str) -> list[str]:
    both = ~np.isnan(panel.a) & ~np.isnan(panel.b)
    means, differences = ((panel.a + panel.b) / 2)[both], (panel.a - panel.b)[both]
    found = bland_altman(panel.a, panel.b)
    parts = [_text(_LEFT, top + 12, f"{panel.name} (n = {found.n})", weight="600")]
    if found.n == 0:
        return [*parts, _text(_LEFT, top + 40, "No value is defined.")]
    parts.append(_text(_LEFT, top + 28, f"difference, {unit}"))
    lines = [
        ("mean", found.mean, ""),
        ("+1.96 sd", found.high, _DASHES[1]),
        ("−1.96 sd", found.low, _DASHES[1]),
    ]
    lines = [one for one in lines if not math.isnan(one[1])]
    x = _Scale(*_range([*means.tolist()]), _PANEL_LEFT, _WIDTH - _PANEL_RIGHT)
    y = _Scale(*_range([0.0, *differences.tolist(), *(one[1] for one in lines)]), top + _PANEL - 60, top + 40)
    parts += [_text(x(tick), y.start + 18, _number(tick), anchor="middle") for tick in _ticks(x.low, x.high)]
    for tick in _ticks(y.low, y.high):
        parts.append(_text(_PANEL_LEFT - 10, y(tick) + 4, _number(tick), anchor="end"))
        parts.append(
            f'<line x1="{_PANEL_LEFT - 5}" x2="{_PANEL_LEFT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#7a8794"/>'
        )
    parts.append(
        f'<path d="M{_PANEL_LEFT} {y.end:.1f}V{y.start:.1f}H{x.end:.1f}" fill="none" stroke="#7a8794"/>'
        f'<line x1="{_PANEL_LEFT}" x2="{x.end:.1f}" y1="{y(0):.1f}" y2="{y(0):.1f}" stroke="#d3d9df"/>'
    )
    for name, value, dash in lines:
        parts.append(
            f'<line x1="{_PANEL_LEFT}" x2="{x.end:.1f}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#14191f"{dash}/>'
            + _text(x.end + 6, y(value) + 4, f"{name}: {_number(value)}")
        )
    parts += [_point(x(float(m)), y(float(d)), 0) for m, d in zip(means, differences, strict=True)]
    parts.append(_text((_PANEL_LEFT + x.end) / 2, y.start + 36, f"mean of the two, {unit}", anchor="middle"))
    return parts


def _point(x: float, y: float, series: int) -> str:
    colour = _COLOURS[series]
    if series == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity=".55"/>'
    return f'<path d="M{x:.1f} {y - 4:.1f}l4 4l-4 4l-4 -4z" fill="{colour}" fill-opacity=".55"/>'


def _legend(series: Sequence[str]) -> str:
    return "".join(
        _point(_LEFT + 4, _HEAD + _LINE * at - 2, at) + _text(_LEFT + 14, _HEAD + _LINE * at + 2, name)
        for at, name in enumerate(series)
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "400") -> str:
    shown = text if len(text) <= _LONGEST_LINE else f"{text[: _LONGEST_LINE - 1]}…"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(shown)}</text>'
    )


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
        f'height="{height:.0f}" role="img" aria-label={quoteattr(title)} font-family="sans-serif" font-size="12" '
        f'fill="#14191f"><rect width="100%" height="100%" fill="#ffffff"/>'
        f"{_text(_LEFT, 20, title, weight='600')}{''.join(parts)}</svg>"
    )


def _defined(values: Values) -> Values:
    return values[~np.isnan(values)]


def _domain(values: Values) -> tuple[float, float]:
    """0 to 1 for shares, so that plots of the same kind can be compared; else what the values need."""
    if not values.size or (values.min() >= 0 and values.max() <= 1):
        return 0.0, 1.0
    return _range(values.tolist())


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low or abs(high) or 1.0) * 0.08
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
