"""What goes into a bundle."""

from dataclasses import dataclass

from tinyclap.common.checks import is_count, is_number, require
from tinyclap.exporters.onnx import opset, quantize_int8
from tinyclap.exporters.onnx.student import Input
from tinyclap.exporters.onnx.tool_chains import ToolChainName, refuse_rounded

INPUT: Input = "waveform"
"""The default. From waveform to embedding it is at least as fast as numpy's FFT in front of the graph
(benchmarks/device/onnx_frontend.py), and nobody has to write it again in another language."""


@dataclass(frozen=True)
class ExportOptions:
    """What goes into a bundle.

    Attributes:
        input: of the audio graphs, "waveform" or "logmel".
        int8: add an INT8 graph, and one of fixed shape if `static_s` is given; a text student is rounded in its place.
        labels: of the label table; none leave it out.
        text: add words: a text student's, or the teacher's text tower.
        table_bits: 8 or 4, of a number in a text student's table of word pieces where it is rounded.
        static_s: add a graph of fixed shape for sounds of this length, seconds.
        static_for: the tool chain that must list all operators of the graphs of fixed shape, "st" or "esp".
        opset: of ONNX, of all graphs; None for 20, but of a text tower that is a graph already its own.
        wheel: add tinyclap itself, to install on the device.
        int8_min_cosine: mean cosine to float that the INT8 graph must reach.
        int8_min_agreement: share of clips to which it must give the same class as float; None for
            quantize_int8.MIN_AGREEMENT where there are classes.

    Raises:
        TinyclapError: a length that is no length, an opset that is not known here, or INT8 for a tool chain without.
    """

    input: Input = INPUT
    int8: bool = False
    labels: tuple[str, ...] = ()
    text: bool = False
    table_bits: int = 8
    static_s: float | None = None
    static_for: ToolChainName | None = None
    opset: int | None = None
    wheel: bool = False
    int8_min_cosine: float = quantize_int8.MIN_COSINE
    int8_min_agreement: float | None = None

    def __post_init__(self) -> None:
        lasting = self.static_s is None or (is_number(self.static_s) and self.static_s > 0)
        require(self, "export", "static_s", lasting, "a number of seconds above 0")
        fixed = self.static_for is None or self.static_s is not None
        require(self, "export", "static_for", fixed, "only with a length for graphs of fixed shape (--static SECONDS)")
        if self.static_for is not None and self.int8:
            refuse_rounded(self.static_for)
        require(self, "export", "table_bits", self.table_bits in (4, 8), "4 or 8")
        if self.opset is not None:
            known = is_count(self.opset, opset.OLDEST) and self.opset <= opset.newest()
            require(self, "export", "opset", known, opset.allowed())
