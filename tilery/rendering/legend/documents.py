"""A legend as SVG and as JSON."""

from __future__ import annotations

import math
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tilery.rendering.legend import text
from tilery.rendering.legend.drawing import BAR, MARGIN, ROW, SWATCH, TICK, readable, size_of
from tilery.rendering.legend.values import Legend, Rgba, Theme

_FONT = "system-ui, 'DejaVu Sans', Verdana, sans-serif"
_BASELINE = 13


def to_json(legend: Legend) -> dict[str, Any]:
    """Return a legend as a JSON document."""
    return {
        "kind": legend.kind,
        "title": legend.title,
        "colors": [_hex(color) for color in legend.ramp],
        "ticks": [
            {"position": round(tick.position, 6), "label": tick.label, "value": tick.value} for tick in legend.ticks
        ],
        "classes": [
            {
                "color": _hex(swatch.color),
                "label": swatch.label,
                "value": _finite(swatch.value),
                "upper": _finite(swatch.upper),
            }
            for swatch in legend.swatches
        ],
        "left_out": legend.left_out,
    }


def to_svg(legend: Legend, theme: Theme, *, width: int, opaque: bool = True) -> str:
    """Return a legend as an SVG document."""
    columns, rows = size_of(legend, width)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{columns}" height="{rows}" viewBox="0 0 {columns} {rows}" '
        f'role="img" font-family={quoteattr(_FONT)} font-size="13" fill="{_opaque(theme.text)}">'
    )
    parts = [head]
    if opaque:
        parts.append(f'<rect width="{columns}" height="{rows}" fill="{_opaque(theme.background)}"/>')
    top = MARGIN
    if legend.title:
        parts.append(_text(legend.title, MARGIN, top + _BASELINE))
        top += text.HEIGHT + 3
    parts += _bar(legend, top, columns) if legend.kind == "continuous" else _list(legend, theme, top)
    return "".join([*parts, "</svg>"])


def _bar(legend: Legend, top: int, columns: int) -> list[str]:
    length = columns - 2 * MARGIN
    stops = "".join(
        f'<stop offset="{number / (len(legend.ramp) - 1):.4f}" stop-color="{_opaque(color)}"'
        + (f' stop-opacity="{color[3] / 255:.3g}"' if color[3] < 255 else "")
        + "/>"
        for number, color in enumerate(legend.ramp)
    )
    parts = [
        f'<linearGradient id="ramp">{stops}</linearGradient>',
        f'<rect x="{MARGIN}" y="{top}" width="{length}" height="{BAR}" fill="url(#ramp)"/>',
    ]
    for tick in readable(legend.ticks, length):
        x = MARGIN + tick.position * length
        anchor = "start" if tick.position < 0.05 else "end" if tick.position > 0.95 else "middle"
        parts.append(f'<rect x="{min(x, MARGIN + length - 1):.1f}" y="{top + BAR}" width="1" height="{TICK}"/>')
        parts.append(_text(tick.label, x, top + BAR + TICK + _BASELINE, anchor))
    return parts


def _list(legend: Legend, theme: Theme, top: int) -> list[str]:
    parts = []
    for number, swatch in enumerate(legend.swatches):
        y = top + number * ROW
        opacity = f' fill-opacity="{swatch.color[3] / 255:.3g}"' if swatch.color[3] < 255 else ""
        parts.append(
            f'<rect x="{MARGIN + 0.5}" y="{y + 0.5}" width="{SWATCH[0] - 1}" height="{SWATCH[1] - 1}" '
            f'fill="{_opaque(swatch.color)}"{opacity} stroke="{_opaque(theme.line)}"/>'
        )
        parts.append(_text(swatch.label, MARGIN + SWATCH[0] + 8, y + 12))
    if legend.left_out:
        parts.append(_text(f"and {legend.left_out} more", MARGIN, top + len(legend.swatches) * ROW + 12))
    return parts


def _text(words: str, x: float, y: float, anchor: str = "start") -> str:
    shown = "".join(character for character in words if character.isprintable())
    return f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(shown)}</text>'


def _opaque(color: Rgba) -> str:
    return f"#{color[0]:02x}{color[1]:02x}{color[2]:02x}"


def _hex(color: Rgba) -> str:
    return _opaque(color) + (f"{color[3]:02x}" if color[3] < 255 else "")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
