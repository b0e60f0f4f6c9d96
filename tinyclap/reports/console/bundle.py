"""What `tinyclap info` says of a bundle."""

from collections.abc import Mapping
from typing import Any

from tinyclap.common.numbers import file_size, percent, scaled
from tinyclap.runtime.bundle_contents import BACKGROUND, LABELS, TEXT_GRAPH, TOKENIZER, WORDPIECE, Manifest


def bundle_table(manifest: Manifest, labels: tuple[str, ...]) -> str:
    """The manifest and the labels of the bundle's table as text."""
    spec, teacher = manifest.frontend, manifest.teacher
    rows = [
        ("bundle", f"{manifest.name}, made {manifest.created} by tinyclap {manifest.tinyclap}"),
        ("licence", manifest.licence),
        ("teacher", f"{teacher['name']} (licence: {teacher['licence']})"),
        ("sound", f"{manifest.sample_rate} Hz, windows of {manifest.window_s:g} s"),
        ("input", f"{manifest.input}; log-mel {spec.n_fft}/{spec.hop_length}, {spec.n_mels} bands"),
        ("embedding", _dimensions(manifest)),
        *[(f"--head {name}", _head_line(facts)) for name, facts in (manifest.heads or {}).items()],
        *[(name, _graph_line(manifest, name)) for name in manifest.graphs],
        ("labels", _listed(labels) if LABELS in manifest.files else "no table"),
        ("words", _words_line(manifest)),
        ("thresholds", "yes" if BACKGROUND in manifest.files else "no background sounds; they need a new export"),
        ("size", file_size(sum(facts["size_bytes"] for facts in manifest.files.values()))),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def cost_of(manifest: Manifest, dim: int) -> str:
    """What keeping `dim` dimensions cost on the test clips of the run that was exported."""
    measured = manifest.latent_map["measured"] if manifest.latent_map else []
    by_dim = {row["dim"]: row for row in measured}
    whole, kept = by_dim.get(manifest.embed_dim), by_dim.get(dim)
    if whole is None or kept is None:
        return f"{dim} of {manifest.embed_dim} dimensions; what that costs was not measured (tinyclap prune --sweep)"
    names = {"accuracy": "accuracy", "knn10_overlap": "10-neighbour overlap"}
    costs = ", ".join(f"{name} {percent(kept[key])} instead of {percent(whole[key])}" for key, name in names.items())
    return f"{dim} of {manifest.embed_dim} dimensions: on the run's test clips {costs}"


def _graph_line(manifest: Manifest, name: str) -> str:
    facts = manifest.graphs[name]
    parts = [str(facts["precision"]), file_size(facts["size_bytes"]), f"{scaled(facts['parameters'])} parameters"]
    parts += [f"{scaled(facts['macs'])} MACs per window", f"opset {facts['opset']}"]
    if "frames" in facts:
        parts.append(f"takes logmel (1, 1, {facts['frames']}, {manifest.frontend.n_mels})")
    if name == manifest.recommended:
        parts.append("recommended")
    return ", ".join(parts)


def _words_line(manifest: Manifest) -> str:
    """Whose words are inside, and what they take."""
    text = manifest.text
    if text is None:
        return "those of the labels alone"
    size = sum(manifest.files[name]["size_bytes"] for name in (TEXT_GRAPH, TOKENIZER))
    reader = "" if text.get("reader") == WORDPIECE else "; needs the package tokenizers"
    parts = [f"any, by {text.get('words', 'the teacher')}", text.get("precision", "float32"), file_size(size)]
    return f"{', '.join(parts)}, opset {text['opset']}{reader}"


def _dimensions(manifest: Manifest) -> str:
    pruned = manifest.latent_map
    of = f" of the teacher's {pruned['full_dim']}, by {pruned['method']}" if pruned else ""
    return f"{manifest.embed_dim} dimensions{of}"


def _head_line(facts: Mapping[str, Any]) -> str:
    """One of several teachers."""
    teacher = facts["teacher"]
    return f"{facts['dim']} of them, the space of {teacher['name']} (licence: {teacher['licence']})"


def _listed(labels: tuple[str, ...]) -> str:
    return f"{len(labels)}: {', '.join(labels)}"
