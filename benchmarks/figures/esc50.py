"""What the README tables say of teachers made of taggers, on real ESC-50."""

from typing import Any

from tinyclap.common.numbers import file_size, percent, percent_interval, scaled


def taggers(teacher: dict[str, Any], everyday: dict[str, Any]) -> str:
    """A tagger with a sentence encoder in both spaces, and the bundle of `tinyclap get everyday`."""
    tagger, probes, bundle = teacher["tagger"], teacher["embedding"], everyday["rows"]
    rows = [
        f"| {row['space']} | {'yes' if row['calibrated'] else 'no'} | {row['dimensions']} | "
        f"{percent(row['all']['accuracy'])} {percent_interval(row['all']['ci95'])} | "
        f"{percent(row['chosen_on']['accuracy'])} | {percent(row['reported_on']['accuracy'])} | "
        f"{row['all']['map']:.3f} |"
        for row in teacher["rows"]
    ]
    table = "\n".join(rows)
    graphs = "\n".join(
        f"| {name} | {file_size(row['size_bytes'])} | {row['ms']:.1f} ms | {percent(row['accuracy'])} "
        f"{percent_interval(row['ci95'])} |"
        for name, row in bundle.items()
        if "ms" in row
    )
    size = f"{scaled(tagger['parameters'])} parameters, {scaled(tagger['macs'])} MACs for 5 s"
    return f"""EfficientAT's {tagger["name"]} ({size}) and all-MiniLM-L6-v2, neither trained
here, on {teacher["n_clips"]} clips of ESC-50 (folds 1, 2, 3, 5; copies at 16 kHz;
`esc50/teacher`). Settings were chosen on folds 1-3:

| space | calibrated | dimensions | zero-shot accuracy | folds 1-3 | fold 5 | mAP of text to sound |
| --- | --- | --- | --- | --- | --- | --- |
{table}

With labels, the tagger's last hidden layer tells more: {percent(probes["knn"])} by ten nearest neighbours and
{percent(probes["linear_probe"])} by a linear probe, each fold by the others.

The bundle of `tinyclap get everyday` on the same clips, from 5 s of sound to its embedding on one thread
(`esc50/everyday`; its teacher in torch: {percent(bundle["teacher"]["accuracy"])}). In the smaller file the weights are
INT8 and the arithmetic is float, so it is not faster:

| graph | size | time | zero-shot accuracy |
| --- | --- | --- | --- |
{graphs}
"""
