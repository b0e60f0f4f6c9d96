"""What `tinyclap info` says of a bundle."""

from tinyclap.bundle import LABELS, Manifest
from tinyclap.formatting import file_size, scaled


def bundle_table(manifest: Manifest, labels: tuple[str, ...]) -> str:
    """The manifest and the labels of the bundle's table as text."""
    spec, teacher = manifest.frontend, manifest.teacher
    rows = [
        ("bundle", f"{manifest.name}, made {manifest.created} by tinyclap {manifest.tinyclap}"),
        ("licence", manifest.licence),
        ("teacher", f"{teacher['name']} (licence: {teacher['licence']})"),
        ("hears", f"{manifest.sample_rate} Hz, windows of {manifest.window_s:g} s"),
        ("input", f"{manifest.input}; log-mel {spec.n_fft}/{spec.hop_length}, {spec.n_mels} bands"),
        ("embedding", f"{manifest.embed_dim} dimensions"),
        *[(name, _graph_line(manifest, name)) for name in manifest.graphs],
        ("labels", _listed(labels) if LABELS in manifest.files else "no table"),
        ("text side", "yes" if manifest.text else "no"),
        ("size", file_size(sum(facts["size_bytes"] for facts in manifest.files.values()))),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _graph_line(manifest: Manifest, name: str) -> str:
    facts = manifest.graphs[name]
    told = [str(facts["precision"]), file_size(facts["size_bytes"]), f"{scaled(facts['parameters'])} parameters"]
    told += [f"{scaled(facts['macs'])} MACs per window", f"opset {facts['opset']}"]
    if name == manifest.recommended:
        told.append("recommended")
    return ", ".join(told)


def _listed(labels: tuple[str, ...]) -> str:
    return f"{len(labels)}: {', '.join(labels)}"
