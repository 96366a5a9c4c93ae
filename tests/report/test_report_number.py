import pytest

from clbench.metric.base import Unit
from clbench.report.number import p_value, tick, value_text, with_margin


@pytest.mark.parametrize(
    ("unit", "mean", "half", "text"),
    [
        ("fraction", 0.87490, 0.0183, "87.5 ± 1.8"),
        ("fraction", 0.5, None, "50.0"),
        ("fraction", 0.5, 0.0, "50.0 ± 0"),
        ("fraction", -0.00001, 0.02, "0.0 ± 2.0"),
        ("nats", 0.4291, 0.0552, "0.43 ± 0.06"),
        ("bytes", 0, 0.0, "0 ± 0 B"),
        ("bytes", 512, None, "512 B"),
        ("bytes", 355127, None, "355 kB"),
        ("bytes", 999_900, None, "1.00 MB"),
        ("bytes", 3_705_844, 20_000, "3.71 ± 0.02 MB"),
        ("flops", 13_480_804_352, None, "13.5 GFLOP"),
        ("seconds", 0.00991, 0.00435, "9.91 ± 4.35 ms"),
        ("seconds", 0.000001, None, "0.001 ms"),
        ("seconds", 59.99, None, "1.00 min"),
        ("seconds", 7200, None, "2.00 h"),
        ("p-value", 0.0001, 0.1, "< 0.001"),
    ],
)
def test_a_value_has_a_unit_that_suits_its_size(
    unit: Unit, mean: float, half: float | None, text: str
) -> None:
    assert with_margin(unit, mean, half) == text


def test_differences_have_a_sign_and_the_scale_of_their_margin_if_they_are_zero() -> None:
    assert with_margin("fraction", 0.038, 0.018, signed=True) == "+3.8 ± 1.8"
    assert with_margin("bytes", -350_000, 0.0, signed=True) == "-350 ± 0 kB"
    assert with_margin("bytes", 0, 2_000, signed=True) == "+0.00 ± 2.00 kB"


def test_single_values_carry_their_unit() -> None:
    assert [value_text("fraction", 0.5), value_text("nats", 1)] == ["50.0 %", "1.00 nats"]


def test_ticks_are_round() -> None:
    assert [tick("flops", 1e10), tick("bytes", 1.0)] == ["10 GFLOP", "1 B"]


def test_small_p_values_are_not_written_out() -> None:
    assert [p_value(0.00099), p_value(0.05)] == ["< 0.001", "0.050"]
