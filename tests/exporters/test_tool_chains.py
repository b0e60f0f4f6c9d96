"""Graphs of fixed shape against the operators that tool chains list."""

from dataclasses import replace

import onnx
import pytest

from tests.support.tiny_exports import TINY, settled
from tinyclap.common.checks import NotAllowedError
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.graph import operators
from tinyclap.exporters.onnx.opset import at_opset
from tinyclap.exporters.onnx.student import static_graph
from tinyclap.exporters.onnx.tool_chains import TOOL_CHAINS, refuse_unknown
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.write_bundle import Exporter
from tinyclap.models.phinet_config import PhiNetConfig


@pytest.fixture(scope="module")
def graph() -> onnx.ModelProto:
    return static_graph(settled(TINY), 0.5)


def test_every_student_of_one_layer_is_read_by_both(graph: onnx.ModelProto) -> None:
    refuse_unknown("st", "a.onnx", graph)
    refuse_unknown("esp", "a.onnx", at_opset(graph, 18))
    for phinet in (PhiNetConfig(alpha=0.2, compatibility=True), PhiNetConfig(alpha=0.2, activation="relu")):
        for pooling in ("mean_max", "mels"):
            other = static_graph(settled(replace(TINY, phinet=phinet, pooling=pooling)), 0.5)
            refuse_unknown("st", "a.onnx", other)
            refuse_unknown("esp", "a.onnx", at_opset(other, 18))


def test_operators_that_are_missing_are_named(graph: onnx.ModelProto) -> None:
    projection = static_graph(settled(replace(TINY, head="projection")), 0.5)
    with pytest.raises(TinyclapError, match=r"ESP-PPQ for ESP-DL does not list Erf of a.onnx \(.*2025-08-19"):
        refuse_unknown("esp", "a.onnx", at_opset(projection, 18))
    with pytest.raises(TinyclapError, match=r"a.onnx is of opset 20, .* up to 18 .*add --opset 18"):
        refuse_unknown("esp", "a.onnx", graph)
    newer = at_opset(graph, 21)
    with pytest.raises(TinyclapError, match=r"up to 20 .*add --opset 20"):
        refuse_unknown("st", "a.onnx", newer)


def test_an_export_is_checked(exporter: Exporter) -> None:
    made = replace(exporter, options=ExportOptions(int8=True, static_s=0.5, static_for="st"))
    assert {"QuantizeLinear", "DequantizeLinear"} <= set(operators(made._graphs()["audio_static_int8.onnx"]))
    made = replace(exporter, options=ExportOptions(static_s=0.5, static_for="esp", opset=18))
    assert "audio_static.onnx" in made._graphs()
    with pytest.raises(TinyclapError, match=r"audio_static.onnx is of opset 20"):
        replace(made, options=ExportOptions(static_s=0.5, static_for="esp"))._graphs()
    with pytest.raises(TinyclapError, match=r"does not list DequantizeLinear, QuantizeLinear, .*without --int8"):
        ExportOptions(int8=True, static_s=0.5, static_for="esp", opset=18)


def test_lists_say_where_they_come_from() -> None:
    assert len(TOOL_CHAINS["st"].operators) == 132
    assert len(TOOL_CHAINS["esp"].operators) == 51
    with pytest.raises(NotAllowedError, match=r"static_for.*--static SECONDS"):
        ExportOptions(static_for="st")
