"""What a student takes on a microcontroller, as benchmarks/README.md tells it."""

from typing import Any

from tinyclap.common.numbers import percent

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
        size = f"{row['size_bytes']:,} and the interpreter" if "size_bytes" in row else "see `device/c_code`"
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
