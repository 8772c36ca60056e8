"""The results as a table of ratios next to the goals, for the terminal and docs/performance.md, and as a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.cases import CASES
from bench.servers import ROOT, WORK

BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"
SIZE_LIMIT = 1.03
"""How much larger than TiTiler's a tile may be."""
BAR, ROW, LEFT, TOP = 420, 24, 300, 56
INK = "#1c2733"


def _case(name: str) -> Any:
    return next(case for case in CASES if case.name == name)


def ratio(values: dict[str, Any]) -> float:
    """Return tiles a second, ours to TiTiler's."""
    return float(values["tilery"]["tiles_per_second"] / values["titiler"]["tiles_per_second"])


def cpu_ratio(values: dict[str, Any]) -> float:
    """CPU for a tile, TiTiler's to ours."""
    return float(values["titiler"]["cpu_ms"] / max(values["tilery"]["cpu_ms"], 1e-3))


def size_ratio(values: dict[str, Any]) -> float:
    """Return bytes of a tile, ours to TiTiler's."""
    return float(values["tilery"]["kilobytes"] / values["titiler"]["kilobytes"])


def _met(good: bool) -> str:
    return "yes" if good else "**no**"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def line(name: str, results: dict[str, Any]) -> str:
    """Return one result in one line, for the terminal."""
    if name in results["extras"]:
        values = results["extras"][name]
        if "skipped" in values:
            return f"  skipped: {values['skipped']}"
        return "\n".join(
            f"  {goal['says']}: {_number(goal['value'])} (goal {_goal(goal)}) {_met(_reached(goal))}"
            for goal in values["goals"]
        )
    values = results["cases"][name]
    sides = " | ".join(
        f"{side} {v['tiles_per_second']:.1f}/s p50 {v['p50']:.0f} p99 {v['p99']:.0f} ms, CPU {v['cpu_ms']:.2f} ms, "
        f"{v['kilobytes']:.1f} kB, {v['megabytes']:.0f} MB, client {v['client_share']:.0%}"
        for side, v in ((side, values[side]) for side in ("titiler", "tilery"))
    )
    goal = _case(name).goal or "none"
    return f"  {sides}\n  x{ratio(values):.1f} tiles a second (goal {goal}), x{cpu_ratio(values):.1f} CPU"


def _goal(goal: dict[str, Any]) -> str:
    return f"≥ {goal['least']:,}" if "least" in goal else f"≤ {goal['most']}"


def _reached(goal: dict[str, Any]) -> bool:
    return bool(goal["value"] >= goal["least"] if "least" in goal else goal["value"] <= goal["most"])


def table(results: dict[str, Any]) -> str:
    """Return the whole as markdown."""
    rows = [
        "| work | tiles a second | CPU a tile | p50 | p99 | bytes a tile | goal | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, values in results["cases"].items():
        case = _case(name)
        ours, theirs = values["tilery"], values["titiler"]
        fits = case.expect != 200 or size_ratio(values) <= SIZE_LIMIT
        rows.append(
            f"| {case.says} | **{ratio(values):.1f} ×** ({theirs['tiles_per_second']:.0f} → "
            f"{ours['tiles_per_second']:.0f}) | {cpu_ratio(values):.1f} × less ({theirs['cpu_ms']:.1f} → "
            f"{ours['cpu_ms']:.1f} ms) | {theirs['p50']:.0f} → {ours['p50']:.0f} ms | {theirs['p99']:.0f} → "
            f"{ours['p99']:.0f} ms | {size_ratio(values):.2f} × | "
            + (f"{case.goal:g} × | {_met(ratio(values) >= case.goal and fits)} |" if case.goal else "| |")
        )
    others = [
        f"| {goal['says']} | {_number(goal['value'])} | {_goal(goal)} | {_met(_reached(goal))} |"
        for values in results["extras"].values()
        for goal in values.get("goals", ())
    ]
    if others:
        rows += ["", "| work | measured | goal | met |", "|---|---|---|---|", *others]
    rows += [
        f"| {name} | not measured: {v['skipped']} | | |" for name, v in results["extras"].items() if "skipped" in v
    ]
    return "\n".join(rows)


def picture(results: dict[str, Any]) -> str:
    """Return bars of the ratios with a mark at each goal, as SVG."""
    shown = [(_case(name), ratio(values)) for name, values in results["cases"].items()]
    top = max([max(value, case.goal or 0) for case, value in shown], default=1)
    height = TOP + ROW * len(shown) + 16
    width = LEFT + BAR + 70
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    how = "same machine, same tiles, servers restarted, in turns, medians; the mark is the goal"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="system-ui, sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="600" fill="{INK}">Tiles a second, times TiTiler 2.4</text>',
        f'<text x="16" y="42" fill="#5b6874">{how}</text>',
    ]
    for number, (case, value) in enumerate(shown):
        y = TOP + ROW * number
        aim = case.goal or 0
        colour = "#1f7a5c" if value >= aim else "#b3541e"
        goal = LEFT + BAR * aim / top
        end = LEFT + BAR * max(value, aim) / top + 8
        long = BAR * value / top
        parts += [
            f'<text x="{LEFT - 10}" y="{y + 16}" text-anchor="end" fill="{INK}">{case.says}</text>',
            f'<rect x="{LEFT}" y="{y + 4}" width="{long:.1f}" height="{ROW - 8}" rx="2" fill="{colour}"/>',
            f'<line x1="{goal:.1f}" x2="{goal:.1f}" y1="{y + 1}" y2="{y + 23}" stroke="{INK}" stroke-width="2"/>',
            f'<text x="{end:.1f}" y="{y + 16}" fill="{INK}">{value:.1f} ×</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


NAMES = {"titiler": "TiTiler", "tilery": "Tilery"}


def write(results: dict[str, Any], docs: Path = ROOT / "docs") -> None:
    """Put the table into docs/performance.md between its markers, and the picture beside it."""
    (docs / "benchmark.svg").write_text(picture(results), encoding="utf-8")
    page = docs / "performance.md"
    text = page.read_text(encoding="utf-8")
    workers = " and ".join(f"{number} of {NAMES[name]}" for name, number in results["workers"].items())
    said = (
        f"{results['machine']}; worker processes: {workers}; {results['tiles']} tiles a list, medians of "
        f"{results['rounds']} rounds, {results['made'][:10]}. `make bench` makes this table."
    )
    block = f"{BEGIN}\n{table(results)}\n\n{said}\n{END}"
    if BEGIN in text and END in text:
        text = text[: text.index(BEGIN)] + block + text[text.index(END) + len(END) :]
        page.write_text(text, encoding="utf-8")
    else:
        print(f"{page.name} has no {BEGIN} … {END}: the table was not put in.")


if __name__ == "__main__":
    found = json.loads((WORK / "results.json").read_text())
    print(table(found))
    write(found)
