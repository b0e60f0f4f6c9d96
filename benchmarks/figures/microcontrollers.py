"""What a student takes on a microcontroller, as benchmarks/README.md tells it."""

from typing import Any

from tinyclap.common.numbers import DASH, file_size, milliseconds, percent, scaled

FORMS = {
    "C, INT8": "c_int8",
    "TensorFlow Lite Micro, input int8": "tflite_int8_input",
    "the same, input int16": "tflite_int16_input",
}


def microcontrollers(tflite: dict[str, Any]) -> str:
    """Memory and accuracy of the forms in INT8 beside torch."""
    rows = []
    for title, name in FORMS.items():
        row = tflite[name]
        size = f"{row['size_bytes']:,} and the interpreter" if "size_bytes" in row else "see above"
        rows.append(
            f"| {title} | {size} | {row['arena_bytes']:,} | {row['cosine']:.4f} | {percent(row['agreement'])} | "
            f"{percent(row['accuracy'])} |"
        )
    first = tflite["tflite_int8_input"]
    return "\n".join(
        [
            f"**One student of ESC-10** (`{tflite['run']}`, {tflite['macs'] / 1e6:.1f} M MACs; "
            f"`device/tflite`) in INT8, on the {tflite['clips']} clips of",
            f"its test fold, where torch in float32 has {percent(tflite['torch_float32']['accuracy'])}. RAM is "
            "the arena; that of TensorFlow Lite Micro is its own count on a",
            f"machine of 64 bits, {first['maps_bytes']:,} of it for maps. Without the plan that the file carries it is "
            f"{first['planned_by_it_bytes']:,}.",
            "",
            "| form | flash, bytes | RAM, bytes | mean cosine to float | same label | accuracy |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


def generated_c(told: dict[str, Any]) -> str:
    """Every form of several students: size, memory, instructions, time, accuracy."""
    parts = [
        "**In C, and beside ONNX Runtime** (`device/c_code`). Flash of C: code, constants, selftest and printing; RAM: "
        "its arena, and the stack besides.",
        "Instructions: of a Cortex-M7 as QEMU counts them, from the samples to the embedding; they are no cycles.",
        f"Times: on one thread of {told['environment']['cpu']}, all forms in turn, beside ONNX Runtime in float32.",
        "",
        "| student | form | flash or file | RAM | instructions | time | beside | cosine to torch | accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, student in told["students"].items():
        size = f"{scaled(student['parameters'])} parameters, {scaled(student['macs'])} MACs"
        title = f"{name}: {size}, {student['clips']} clips"
        for form, row in student["forms"].items():
            if "accuracy" in row:
                parts.append(f"| {title} | {form} | {_costs(row)} | {row['cosine']:.4f} | {percent(row['accuracy'])} |")
                title = ""
    ratios = {name: one["c_int8_over_emx"] for name, one in told["students"].items() if "c_int8_over_emx" in one}
    if ratios:
        each = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in ratios.items())
        parts += [
            "",
            f"Instructions of the INT8 network over those of the same by emx-onnx-cgen, QOperator form: {each}.",
        ]
    return "\n".join([*parts, "", ""])


def _costs(row: dict[str, Any]) -> str:
    size = row.get("code_bytes") or row.get("file_bytes")
    ram = f"{file_size(row['arena_bytes'])} + {file_size(row['stack_bytes'])}" if "arena_bytes" in row else DASH
    flash, count = (DASH if size is None else file_size(size)), scaled(row.get("instructions"))
    return f"{flash} | {ram} | {count} | {milliseconds(row['p50_ms'])} | {row['ratio']:.2f}"
