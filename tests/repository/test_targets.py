"""The table of targets in export/README.md says what was measured."""

import json
from pathlib import Path
from typing import Any

from tinyclap.common.numbers import DASH, file_size, milliseconds, scaled
from tinyclap.hardware.devices import load_device

REPOSITORY = Path(__file__).parents[2]


def read(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((REPOSITORY / "benchmarks" / "results" / f"{name}.json").read_text())
    return told


def test_the_table_of_targets() -> None:
    page = (REPOSITORY / "export" / "README.md").read_text(encoding="utf-8")
    forms, tflite, web = read("c_code")["students"]["quickstart"]["forms"], read("tflite"), read("web")
    onnx, int8, c, integers = (
        forms[name] for name in ("ONNX Runtime float", "ONNX Runtime int8", "C float32", "C int8")
    )
    rows = [
        f"| {file_size(onnx['file_bytes'])}, INT8 {file_size(int8['file_bytes'])} | ONNX Runtime's "
        f"| {milliseconds(onnx['p50_ms'])} |",
        f"| {file_size(c['code_bytes'])} | {file_size(c['arena_bytes'])} | {milliseconds(c['p50_ms'])} |",
        f"| {file_size(integers['code_bytes'])} | {file_size(integers['arena_bytes'])} "
        f"| {scaled(integers['instructions'])} instructions |",
        f"| {file_size(tflite['tflite_int8_input']['size_bytes'])} "
        f"| {file_size(tflite['tflite_int8_input']['arena_bytes'])} |",
        f"| {file_size(web['transfer_bytes'])} with the runtime | {DASH} | {milliseconds(web['ms']['median'])} |",
    ]
    assert [row for row in rows if row not in page] == []


def test_what_devices_tell_of_emulated_cores() -> None:
    forms = [one["forms"]["C int8"] for one in read("c_code")["students"].values()]
    measured = {(row["arena_bytes"], row["stack_bytes"], row["code_bytes"], row["instructions"]) for row in forms}
    for name in ("stm32f746", "stm32h743"):
        told = {(one.arena, one.stack, one.code, one.instructions) for one in load_device(name).emulated}
        assert told == measured
