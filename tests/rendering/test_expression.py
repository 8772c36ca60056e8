"""Band maths: the language, its types as numexpr has them, masks, names, and what is known of the result."""

from __future__ import annotations

import numpy as np
import pytest

from tilery.errors import InvalidBand, InvalidExpression, OverLimit, TooMuchWork
from tilery.geo.raster import Raster
from tilery.rendering import expression
from tilery.rendering.expression import apply, parse


def raster(*bands: object, dtype: str = "float64", **more: object) -> Raster:
    data = np.array(bands, dtype=dtype)[:, np.newaxis, :]
    return Raster(data=data, **more)  # type: ignore[arg-type]


def values(text: str, *bands: object, dtype: str = "float64") -> list[float]:
    return apply(parse(text), raster(*bands, dtype=dtype)).data[0, 0].tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1+b2*2", [7.0, -1.0]),
        ("(b1+b2)*2", [8.0, -5.0]),
        ("b1-b2-1", [-3.0, -6.5]),
        ("b1/b2/2", [1 / 6, -4 / 3]),
        ("-b1**2", [-1.0, -16.0]),
        ("2**-b2", [0.125, 2**-1.5]),
        ("2**3**0.5*b1/b1", [2 ** (3**0.5)] * 2),
        ("b1**2", [1.0, 16.0]),
        ("b1//b2", [0.0, -3.0]),
        ("b1%b2", [1.0, 0.5]),
        ("-7//2+b1*0", [-4.0, -4.0]),
        ("-7%3+b1*0", [2.0, 2.0]),
        ("B1 + b2", [4.0, -2.5]),
        ("\t( b1\n+b2 )", [4.0, -2.5]),
        ("1e1*b1", [10.0, -40.0]),
        (".5*b1", [0.5, -2.0]),
        ("1_000*b1", [1000.0, -4000.0]),
        ("0x10*b1", [16.0, -64.0]),
        ("+b1", [1.0, -4.0]),
        ("--b1", [1.0, -4.0]),
        ("where(b1>0,b2,-1)", [3.0, -1.0]),
        ("where((b1>0)&(b2<1),1.0,0.0)", [0.0, 0.0]),
        ("sqrt(abs(b1))", [1.0, 2.0]),
        ("maximum(b1,b2)", [3.0, 1.5]),
        ("minimum(b1,0.5)", [0.5, -4.0]),
        ("arctan2(b1,b2)", [np.arctan2(1, 3), np.arctan2(-4, 1.5)]),
        ("hypot(b1,b2)", [np.hypot(1, 3), np.hypot(-4, 1.5)]),
        ("log10(b2*100/b2)", [2.0, 2.0]),
        ("exp(b1*0)", [1.0, 1.0]),
        ("floor(b2/2)", [1.0, 0.0]),
        ("ceil(b2/2)", [2.0, 1.0]),
        ("round(b2)", [3.0, 2.0]),
        ("trunc(b1/3)", [0.0, -1.0]),
        ("fmod(b1,3)", [1.0, -1.0]),
        ("sign(b1)", [1.0, -1.0]),
        ("ones_like(b1)", [1.0, 1.0]),
        ("copy(b1)", [1.0, -4.0]),
    ],
)
def test_values(text: str, expected: list[float]) -> None:
    assert values(text, [1, -4], [3, 1.5]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b1>b2", [False, False, True]),
        ("b1<b2", [True, True, False]),
        ("b1>=1", [True, False, True]),
        ("b1<=b2", [True, True, False]),
        ("b1==1", [True, False, False]),
        ("b1!=1", [False, True, True]),
        ("~(b1==1)", [False, True, True]),
        ("(b1>0)&(b2>0)", [True, False, False]),
        ("(b1>0)|(b2>0)", [True, True, True]),
        ("(b1>0)^(b2>0)", [False, True, True]),
        ("(b1>0)+(b2>0)", [True, True, True]),
        ("(b1>0)*(b2>0)", [True, False, False]),
        ("isnan(b1)", [False, False, False]),
        ("isfinite(b1/b2)", [True, True, False]),
        ("isinf(b1/b2)", [False, False, True]),
        ("signbit(b1)", [False, True, False]),
        ("where(b1>0,b1>2,b2>0)", [False, True, True]),
    ],
)
def test_comparisons_are_true_or_false(text: str, expected: list[bool]) -> None:
    result = apply(parse(text), raster([1, -4, 5], [3, 1, 0]))
    assert result.data.dtype == np.bool_
    assert result.data[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        # numexpr's types for bands of uint8, uint16, int16, uint32, int64, float32, float64
        ("b1", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1+b2", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1*2", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1*3000000000", ("int64", "int64", "int64", "int64", "int64", "float32", "float64")),
        ("b1*1.5", ("float64",) * 7),
        ("b1/b2", ("float64", "float64", "float64", "float64", "float64", "float32", "float64")),
        ("b1//b2", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1%b2", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1**2", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1**0.5", ("float64", "float64", "float64", "float64", "float64", "float32", "float64")),
        ("b1**0.3", ("float64",) * 7),
        ("-b1", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("b1>b2", ("bool",) * 7),
        ("(b1>b2)*b1", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("where(b1>b2,b1,0)", ("int32", "int32", "int32", "int64", "int64", "float32", "float64")),
        ("where(b1>b2,1,0)", ("int32",) * 7),
        ("where(b1>b2,1.0,0)", ("float64",) * 7),
        ("sqrt(b1)", ("float64", "float64", "float64", "float64", "float64", "float32", "float64")),
        ("abs(b1)", ("float64", "float64", "float64", "float64", "float64", "float32", "float64")),
        ("maximum(b1,b2)", ("float64",) * 7),
        ("round(b1)", ("int32", "int32", "int32", "int64", "int64", "float64", "float64")),
        ("sqrt(b1>b2)", ("float32",) * 7),
    ],
)
def test_types_are_those_of_numexpr(text: str, kinds: tuple[str, ...]) -> None:
    sources = ("uint8", "uint16", "int16", "uint32", "int64", "float32", "float64")
    found = tuple(apply(parse(text), raster([1, 7], [2, 3], dtype=kind)).data.dtype.name for kind in sources)
    assert found == kinds


def test_bytes_are_summed_without_overflow() -> None:
    assert values("b1+b2", [250, 1], [250, 2], dtype="uint8") == [500, 3]
    assert values("b1-b2", [1, 1], [250, 2], dtype="uint8") == [-249, -1]
    assert values("b1*b2", [255, 2], [255, 2], dtype="uint8") == [65025, 4]


def test_blocks_become_bands_of_one_type() -> None:
    result = apply(parse("b1;b2/2;b1>1"), raster([1, 2], [3, 4], dtype="uint8"))
    assert result.data.dtype == np.float64
    assert result.data[:, 0].tolist() == [[1, 2], [1.5, 2], [0, 1]]
    assert result.band_names == ("b1", "b2", "b3")
    assert result.band_descriptions == ("b1", "b2/2", "b1>1")


def test_blocks_may_be_empty_and_spaced() -> None:
    assert [block.text for block in parse(";b1 ;; b2+1;").blocks] == ["b1", "b2+1"]


def test_descriptions_of_bands_stand_in_for_their_names() -> None:
    source = raster([1], [2], band_descriptions=("red", "nir"))
    assert apply(parse("(b2-b1)/(b2+b1)"), source).band_descriptions == ("(nir-red)/(nir+red)",)


def test_bands_used_are_told() -> None:
    assert parse("b11*b2;b2+b3").bands == (2, 3, 11)


def test_bands_are_found_by_name() -> None:
    source = raster([1], [2], band_names=("b3", "b7"))
    assert apply(parse("b7*10+b3"), source).data.tolist() == [[[21.0]]]


@pytest.mark.parametrize("text", ["b9", "b1+b4"])
def test_a_band_that_is_not_there(text: str) -> None:
    with pytest.raises(InvalidBand) as caught:
        apply(parse(text), raster([1], [2], [3]))
    assert caught.value.parameter == "expression"


def test_division_by_zero_gives_the_largest_number_without_a_warning() -> None:
    assert values("b1/b2", [1, -1, 0], [0, 0, 0]) == [np.finfo("f8").max, -np.finfo("f8").max, 0.0]
    assert values("b1/b2", [1, -1, 0], [0, 0, 0], dtype="float32") == [
        float(np.finfo("f4").max), -float(np.finfo("f4").max), 0.0,
    ]  # fmt: skip
    assert values("b1//b2", [1, 2], [0, 2], dtype="int16") == [0, 1]
    assert values("b1%b2", [1, 3], [0, 2], dtype="int16") == [0, 1]
    assert values("log(b1)", [-1, 0, 1]) == [0.0, -np.finfo("f8").max, 0.0]


def test_negative_powers_of_whole_numbers() -> None:
    assert values("b1**-1", [2, 4], dtype="int16") == [0.5, 0.25]


def test_bits_work_on_whole_numbers_only() -> None:
    assert values("(b1&6)+(b1|8)+(b1^1)+~b1", [5], dtype="uint8") == [4 + 13 + 4 - 6]
    with pytest.raises(InvalidExpression):
        values("b1&1", [5], dtype="float32")


def test_a_pixel_is_masked_where_any_band_used_is() -> None:
    mask = np.array([[[True, False, True]], [[True, True, False]], [[False, False, False]]])
    result = apply(parse("b1+b2;b1"), raster([1, 2, 3], [1, 2, 3], [1, 2, 3], mask=mask))
    assert result.mask is not None
    assert result.mask.tolist() == [[[True, False, False]]]


def test_a_shared_mask_is_kept_and_no_mask_stays_none() -> None:
    mask = np.array([[[True, False]]])
    assert apply(parse("b1"), raster([1, 2], mask=mask)).mask is mask
    assert apply(parse("b1"), raster([1, 2])).mask is None


def test_what_belonged_to_the_source_alone_is_dropped() -> None:
    source = raster([1], dtype="uint8", nodata=0.0, scales=(2.0,), colormap={1: (0, 0, 0, 0)})
    result = apply(parse("b1*2"), source)
    assert (result.nodata, result.scales, result.colormap) == (None, (), None)


def test_statistics_are_carried_through() -> None:
    source = raster([1, 2], [3, 4], statistics=((0.0, 10.0), (5.0, 20.0)))
    assert apply(parse("b1-b2;b2*2"), source).statistics == ((-20.0, 5.0), (10.0, 40.0))


def test_small_types_bring_their_range() -> None:
    assert apply(parse("b1;(b1-b2)/(b1+b2)"), raster([1], [2], dtype="uint8")).statistics == ((0, 255), (-1, 1))
    assert apply(parse("b1&15"), raster([1], dtype="uint8")).statistics == ((0, 15),)
    assert apply(parse("b1"), raster([1], dtype="float32")).statistics is None
    assert apply(parse("b1/b2"), raster([1], [2], dtype="uint8")).statistics is None
    assert apply(parse("b1*(255-b1)"), raster([1], dtype="uint8")).statistics is None


def test_a_picture_larger_than_a_chunk_is_worked_out_whole() -> None:
    data = np.arange(3 * 700 * 300, dtype=np.int32).reshape(3, 700, 300)
    result = apply(parse("b1*2+b3-b2"), Raster(data=data))
    assert np.array_equal(result.data[0], data[0] * 2 + data[2] - data[1])


def test_views_of_any_stride_are_taken() -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    result = apply(parse("b3*1-b1"), Raster(data=pixels.transpose(2, 0, 1)))
    assert (result.data == 2).all()


@pytest.mark.parametrize(
    "text",
    [
        "", ";", " ", "1", "2.5;b1", "b1;1", "b0", "b01", "b1a", "red", "b1+", "+", "b1 b2", "(b1", "b1)", "()",
        "b1,b2", "where(b1>1,b2)", "sqrt(b1,b2)", "sin()", "sqrt", "nothing(b1)", "b1(b2)", "b1<b2<b3", "b1==b2==b1",
        "b1 and b2", "not b1", "b1 if b2 else b3", "b1[0]", "b1.real", "b1<<1", "b1 @ b2", "'a'", "b1=1", "b1 # c",
        "1j*b1", "b1+1b", "b1+1..2", "b1+1.5.5", "b1+nan", "b1+True", "__import__", "__class__", "b1.__class__",
        "lambda: b1", "b1:b2", "min(b1)", "max(b1,b2)", "sum(b1)", "prod(b1)", "complex(b1,b2)", "conj(b1)",
        "contains(b1,b2)", "b1+1/0", "b1+1e400", "b1+(-1)**0.5", "b1+1//0", "b1+1%0", "b1+~1.5", "b1+1e308*10",
        "b\uff11", "\u212a1", "b1\xd7b2", "b1\x00", "where(b1,1,2)", "b1+0x", "b1+07", "b1+9" + "9" * 400,
    ],
)  # fmt: skip
def test_what_does_not_parse_is_refused(text: str) -> None:
    with pytest.raises(InvalidExpression) as caught:
        apply(parse(text), raster([1], [2], [3]))
    assert caught.value.parameter == "expression"
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("b1+" * 2000 + "b1", expression.MAX_LENGTH),
        ("+".join(["b1"] * 1024), 1024),
        (";".join(["b1"] * 65), expression.MAX_BLOCKS),
        ("(" * 65 + "b1" + ")" * 65, 64),
        ("-" * 100 + "b1", 64),
        ("where(b1>1," * 80 + "b1" + ",1)" * 80, 64),
        ("b1**999", 128),
        ("b1+9**9**9", 128),
        ("b1**-1000.5", 128),
    ],
)
def test_limits(text: str, limit: int) -> None:
    with pytest.raises(OverLimit) as caught:
        parse(text)
    assert caught.value.limit == limit


def test_long_sums_within_the_limits_are_no_trouble() -> None:
    assert values("+".join(["b1"] * 500), [1, 2]) == [500.0, 1000.0]
    assert values("b1" + "**1" * 60, [3]) == [3.0]


def test_too_many_steps_for_the_pixels() -> None:
    huge = Raster(data=np.broadcast_to(np.float32(1), (1, 40_000, 40_000)))
    with pytest.raises(TooMuchWork):
        apply(parse("b1*2"), huge)


def test_complex_values_are_refused() -> None:
    with pytest.raises(InvalidExpression):
        apply(parse("b1*2"), raster([1], dtype="complex64"))


def test_folding_keeps_whole_numbers_whole() -> None:
    assert apply(parse("b1*2**10"), raster([3], dtype="uint8")).data.tolist() == [[[3072]]]
    assert apply(parse("b1*2**10"), raster([3], dtype="uint8")).data.dtype == np.int32
    assert apply(parse("b1+(7//2)-(-7%4)+(6&3)+(~1)"), raster([0], dtype="uint8")).data.tolist() == [[[3 - 1 + 2 - 2]]]
    assert apply(parse("b1*(4611686018427387904*4)"), raster([1], dtype="uint8")).data.dtype == np.float64
