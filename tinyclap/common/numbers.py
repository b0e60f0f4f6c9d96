"""How numbers are written for people, and read from them: "2 MB", "512 KiB", "50M", "20 ms".

What is missing or not a finite number is written as a dash, never guessed.
"""

import math
import re
import sys
from collections.abc import Sequence
from typing import Any, TypeGuard

from tinyclap.errors import TinyclapError

DASH = "\N{EN DASH}"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def known(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def percent(share: Any) -> str:
    """0.813 -> "81.3 %"."""
    return f"{100 * share:.1f} %" if known(share) else DASH


def round_percent(share: float) -> str:
    """A round share on an axis: 0.85 -> "85 %"."""
    return f"{100 * share:.4g} %"


def percent_interval(pair: Any) -> str:
    """[0.74, 0.88] -> "[74.0, 88.0]"; empty without an interval."""
    return f"[{100 * pair[0]:.1f}, {100 * pair[1]:.1f}]" if _is_interval(pair) else ""


def points(difference: Any, pair: Any) -> str:
    """A difference of shares and its interval: -0.072, [-0.118, 0.002] -> "-7.2 points [-11.8, +0.2]"."""
    if not known(difference):
        return DASH
    ends = f" [{100 * pair[0]:+.1f}, {100 * pair[1]:+.1f}]" if _is_interval(pair) else ""
    return f"{100 * difference:+.1f} points{ends}".replace("-", "\N{MINUS SIGN}")


def p_value(value: Any) -> str:
    """0.0304 -> "0.030"; below a thousandth "< 0.001"."""
    return "< 0.001" if known(value) and value < 0.001 else decimal(value)


def decimal(value: Any) -> str:
    """0.83333 -> "0.833"."""
    return f"{value:.3f}" if known(value) else DASH


def significant(value: Any) -> str:
    """Four significant digits: 0.00281234 -> "0.002812"; whole numbers in full."""
    return DASH if not known(value) else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def whole(value: Any) -> str:
    """68214 -> "68,214"."""
    return f"{round(value):,}" if known(value) else DASH


def scaled(value: Any) -> str:
    """A count in thousands, millions or billions: 34215936 -> "34.2 M"."""
    if not known(value):
        return DASH
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * factor:  # 999,500 rounds to 1 M, not to 1000 k
            digits = max(0, 2 - int(math.log10(max(1.0, abs(value) / factor))))
            return f"{value / factor:.{digits}f} {letter}"
    return f"{value:g}"


def short_count(value: float) -> str:
    """A round count, without the zeros of `scaled`: 5000000 -> "5 M"."""
    for factor, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def file_size(size_bytes: Any) -> str:
    """Bytes in decimal units: 1213440 -> "1.21 MB"."""
    if not known(size_bytes):
        return DASH
    return f"{scaled(size_bytes)}B" if size_bytes >= 999.5 else f"{size_bytes:g} B"


def binary_size(size_bytes: Any) -> str:
    """Bytes as memories are made: 524288 -> "512 KiB", 1500000 -> "1.43 MiB"."""
    if not known(size_bytes):
        return DASH
    for factor, unit in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if abs(size_bytes) >= factor:
            digits = max(0, 2 - int(math.log10(abs(size_bytes) / factor)))
            return f"{round(size_bytes / factor, digits):g} {unit}"
    return f"{size_bytes:g} B"


def three_digits(value: Any) -> str:
    """Three significant digits, never with an exponent: 0.00281234 -> "0.00281", 1234.5 -> "1,234"."""
    if not known(value):
        return DASH
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def power_of_ten(value: Any) -> str:
    """A small number for people, two digits times a power of ten: 0.000069 as 6.9 times 10⁻⁵."""
    if not known(value):
        return DASH
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits} \N{MULTIPLICATION SIGN} 10{str(int(power)).translate(SUPERSCRIPTS)}" if value else "0"


def milliseconds(value: Any) -> str:
    """0.8124 -> "0.812 ms"."""
    return f"{three_digits(value)} ms" if known(value) else DASH


def duration(seconds: Any) -> str:
    """552 -> "9 min 12 s"."""
    if not known(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def ratio(part: Any, whole_value: Any) -> str:
    """How `part` compares with `whole_value`: 1 to 34 -> "1/34"; 3 to 2 -> "1.5 times"."""
    if not known(part) or not known(whole_value) or part <= 0 or whole_value <= 0:
        return DASH
    times = whole_value / part
    if not known(times):
        return DASH
    if times >= 9.5:
        return f"1/{times:,.0f}"
    return f"1/{times:.1f}" if times > 1.05 else f"{part / whole_value:.3g} times"


def aligned(rows: Sequence[Sequence[str]], *, numbers: bool = False) -> list[str]:
    """A table's rows as lines of columns, each as wide as its widest cell; `numbers` stand right, but for the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = zip(row, widths, strict=True)
        cells = (cell.rjust(width) if numbers and at else cell.ljust(width) for at, (cell, width) in enumerate(padded))
        return "  ".join(cells).rstrip()

    return [line(row) for row in rows]


def _is_interval(pair: Any) -> bool:
    return isinstance(pair, Sequence) and len(pair) == 2 and all(known(end) for end in pair)


BYTES = {
    **{"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}


COUNTS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}


MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def parse_bytes(text: str) -> int:
    """Bytes: "2 MB" is 2,000,000, "512 KiB" 524,288. TinyclapError for anything else."""
    return round(_parse(text, BYTES, "a size such as 512 KiB or 2 MB"))


def parse_count(text: str) -> int:
    """A count: "50M" is 50,000,000. TinyclapError for anything else."""
    return round(_parse(text, COUNTS, "a count such as 50M or 80k"))


def parse_ms(text: str) -> float:
    """Milliseconds: "20 ms", "0.5 s", "300 us". TinyclapError for anything else."""
    return _parse(text, MILLISECONDS, "a time such as 20 ms or 0.5 s")


def _parse(text: str, units: dict[str, float] | dict[str, int], expected: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([A-Za-z]*)\s*", text)
    if not found or found[2] not in units:
        raise TinyclapError(f"{text!r} is not {expected}")
    return float(found[1]) * units[found[2]]
