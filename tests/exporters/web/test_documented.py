"""What the pages say of pages: the figures of a measurement, and the module's types."""

import json
import re
from pathlib import Path

import pytest

from tests.support.pages.node import node_or_skip, run_js
from tinyclap.exporters.web.vendored import TEMPLATES

REPOSITORY = Path(__file__).parents[3]


def test_figures_are_those_that_were_measured() -> None:
    measured = json.loads((REPOSITORY / "benchmarks" / "results" / "web.json").read_text("utf-8"))
    text = (REPOSITORY / "export" / "README.md").read_text("utf-8")
    table = text.split("## In a browser")[1].split("\n## ")[0]
    first, whole = (f"{measured[name] / 1e6:.1f} MB" for name in ("first_bytes", "transfer_bytes"))
    assert f"| {first} before the first answer, {whole} in all;" in table
    assert (
        f"| {measured['ms']['median']:.0f} ms; ONNX Runtime in Python {measured['python_ms']['median']:.1f} |" in table
    )
    parity = measured["parity"]
    assert parity["passed"]
    said = [f"{parity[kind]:.0e}".replace("e-0", "e-") for kind in ("embedding", "resampled", "text")]
    assert f"| {said[0]} of sounds, {said[1]} of sounds at other rates" in table
    assert f"{said[2]} of texts |" in table
    assert f"(cosine {measured['python_words_in_int8']['cosine']:.5f})" in table


def test_types_name_what_the_module_exports() -> None:
    module, types = (TEMPLATES / name for name in ("tinyclap.js", "tinyclap.d.ts"))
    listed = re.findall(r"^export \{ (.*) \};$", module.read_text("utf-8"), re.MULTILINE)
    exported = {"Bundle", *(name for line in listed for name in line.split(", "))}
    assert set(re.findall(r"^export (?:class|function) (\w+)", types.read_text("utf-8"), re.MULTILINE)) == exported


@pytest.mark.slow
def test_the_module_has_what_the_types_say(site: Path) -> None:
    node_or_skip()
    types = (site / "tinyclap.d.ts").read_text("utf-8")
    own = types.split("export class Bundle {")[1].split("\n}")[0]
    members = set(re.findall(r"^  (?:readonly )?(\w+)[(:?]", own, re.MULTILINE))
    code = """
        const { Bundle } = await import(given.module);
        const bundle = await Bundle.load();
        return given.members.filter((name) => !(name in bundle));
    """
    assert run_js(code, {"module": (site / "tinyclap.js").as_uri(), "members": sorted(members)}) == []
    assert {"embed", "labelTable", "hasWords", "sampleRate"} <= members
