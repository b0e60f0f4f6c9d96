"""What a student takes on a microcontroller, as benchmarks/README.md tells it."""

from typing import Any

from tinyclap.common.numbers import percent

FORMS = {
    "C, INT8": "c_int8",
    "TensorFlow Lite Micro, input int8": "tflite_int8_input",
    "the same, input int16": "tflite_int16_input",
}


def microcontrollers(code: dict[str, Any], tflite: dict[str, Any]) -> str:
    """Memory and accuracy of the forms in INT8 beside torch."""
    sizes = {"c_int8": f"{code['int8']['text_bytes']:,} with front end and test"}
    rows = []
    for title, name in FORMS.items():
        row = tflite[name]
        size = sizes.get(name) or f"{row['size_bytes']:,} and the interpreter"
        rows.append(
            f"| {title} | {size} | {row['arena_bytes']:,} | {row['cosine']:.4f} | {percent(row['agreement'])} | "
            f"{percent(row['accuracy'])} |"
        )
    first = tflite["tflite_int8_input"]
    return "\n".join(
        [
            f"**One student of ESC-10** (`{tflite['run']}`, {code['macs'] / 1e6:.1f} M MACs; `device/c_code`, "
            f"`device/tflite`) in INT8, on the {tflite['clips']} clips of",
            f"its test fold, where torch in float32 has {percent(tflite['torch_float32']['accuracy'])}. RAM is the arena; "
            "that of TensorFlow Lite Micro is its own count on a",
            f"machine of 64 bits, {first['maps_bytes']:,} of it for maps. Without the plan that the file carries it is "
            f"{first['planned_by_it_bytes']:,}.",
            "",
            "| form | flash, bytes | RAM, bytes | mean cosine to float | same label | accuracy |",
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )
