"""Band maths against an independent oracle, and against whatever text anybody may send."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilery.errors import RequestError
from tilery.geo.raster import Raster
from tilery.rendering.expression import apply, parse

BANDS = np.array([[[-7.5, 0.25, 1.0, 130.0]], [[2.0, -3.5, 9.75, 0.5]], [[1.0, 1.0, -2.0, 4.0]]])


@dataclass(frozen=True)
class Node:
    """Text of an expression, and what it is worth by plain numpy."""

    text: str
    value: Any


def _binary(sign: str, function: Callable[[Any, Any], Any]) -> Callable[[tuple[Node, Node]], Node]:
    return lambda pair: Node(f"({pair[0].text} {sign} {pair[1].text})", function(pair[0].value, pair[1].value))


def _called(name: str, function: Callable[..., Any]) -> Callable[[tuple[Node, ...]], Node]:
    return lambda nodes: Node(f"{name}({','.join(n.text for n in nodes)})", function(*(n.value for n in nodes)))


def _chosen(nodes: tuple[Node, ...]) -> Node:
    one, two, three, four = nodes
    return Node(
        f"where({one.text} < {two.text},{three.text},{four.text})",
        np.where(one.value < two.value, three.value, four.value),
    )


leaves = st.one_of(
    st.integers(1, 3).map(lambda number: Node(f"b{number}", BANDS[number - 1, 0])),
    st.floats(-100, 100, width=16).map(
        lambda value: Node(repr(value) if value >= 0 else f"({value!r})", np.float64(value))
    ),
)
nodes = st.recursive(
    leaves,
    lambda children: st.one_of(
        st.tuples(children, children).map(_binary("+", operator.add)),
        st.tuples(children, children).map(_binary("-", operator.sub)),
        st.tuples(children, children).map(_binary("*", operator.mul)),
        st.tuples(children).map(_called("abs", np.abs)),
        st.tuples(children).map(_called("floor", np.floor)),
        st.tuples(children, children).map(_called("maximum", np.maximum)),
        st.tuples(children, children).map(_called("minimum", np.minimum)),
        st.tuples(children, children, children, children).map(_chosen),
    ),
    max_leaves=30,
)


@given(nodes)
@settings(max_examples=150)
def test_values_are_those_of_numpy(node: Node) -> None:
    text = f"{node.text}+b1*0"
    with np.errstate(all="ignore"):
        expected = np.nan_to_num(np.broadcast_to(node.value, (4,)).astype(np.float64) + BANDS[0, 0] * 0)
    try:
        result = apply(parse(text), Raster(data=BANDS))
    except RequestError:
        # a constant that is folded to infinity is refused, where an array would hold it
        assert not np.isfinite(np.asarray(node.value)).all() or len(text) > 900
        return
    np.testing.assert_allclose(result.data[0, 0], expected, rtol=1e-12)


@given(nodes)
@settings(max_examples=60)
def test_spaces_and_case_change_nothing(node: Node) -> None:
    text = f"{node.text}+b1"
    try:
        one = parse(text)
    except RequestError:
        return
    other = parse(text.upper().replace("(", " ( ").replace("E", "e"))
    assert [block.steps for block in one.blocks] == [block.steps for block in other.blocks]


@given(st.text(max_size=300) | st.text(alphabet="b123+-*/%<>=!&|^~(),;. e_9where", max_size=300))
@settings(max_examples=400)
def test_any_text_parses_or_is_refused(text: str) -> None:
    refused = None
    try:
        result = apply(parse(text), Raster(data=BANDS))
    except RequestError as error:
        refused = error
    if refused is None:
        assert np.isfinite(result.data).all()
        assert result.data.shape[1:] == (1, 4)
    else:
        assert (refused.status, refused.parameter) == (400, "expression")


HOSTILE = [
    "b1+9**9**9", "b1+" + "9**" * 60 + "9", "b1" + "**b1" * 1000, "b1+" * 2000 + "b1", "(" * 4000, "-" * 4000 + "b1",
    "where(" * 600, "b1;" * 2000, "1e308**1e308+b1", "b1+2**128**128", "9" * 4096, "b1+" + "1_" * 2000 + "1",
    "~" * 4000, "b" * 4096, "." * 4096, "b1+0x" + "f" * 4000, "b1+1e" + "9" * 4000, "b1," * 1300, "b1<" * 1300 + "b1",
    "b1*" + "(b1+" * 70 + "b1" + ")" * 70, "b1+" + "~1&" * 1300 + "1.5",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_hostile_texts_are_refused(text: str) -> None:
    """On numexpr the first of these takes longer than anybody waits; here a hang would be seen as such."""
    with pytest.raises(RequestError) as caught:
        apply(parse(text), Raster(data=BANDS))
    assert caught.value.status == 400
