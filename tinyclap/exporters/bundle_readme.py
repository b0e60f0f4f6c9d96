"""The README.md of a bundle."""

from collections.abc import Sequence

from tinyclap.common.numbers import file_size
from tinyclap.runtime.bundle_contents import FLOAT_GRAPH, INT8_GRAPH, STATIC_GRAPH, Manifest

FILES = {
    FLOAT_GRAPH: "the encoder, float32",
    INT8_GRAPH: "the same, INT8",
    STATIC_GRAPH: "the same at a fixed shape, for microcontroller tool chains",
}


def readme(manifest: Manifest, labels: Sequence[str]) -> str:
    """What the folder is, under which licence, and how to use it."""
    shape = "(batch, samples)" if manifest.input == "waveform" else "(batch, 1, frames, n_mels)"
    graphs = "\n".join(
        f"- `{name}`: {FILES[name]}, {file_size(facts['size_bytes'])}" for name, facts in manifest.graphs.items()
    )
    option = "" if labels else ' --labels "dog, rain"' if manifest.text else ""
    classify = f"tinyclap classify sound.wav --bundle .{option}\n" if labels or manifest.text else ""
    extra = "[text]" if manifest.text else ""
    return f"""# {manifest.name}

A small audio encoder in the embedding space of the CLAP *{manifest.teacher["name"]}*:
{manifest.sample_rate} Hz mono sound to {manifest.embed_dim} dimensions, in windows of {manifest.window_s:g} s.
Exported by tinyclap {manifest.tinyclap}.

Licence of the weights: {manifest.licence} (inherited from the teacher: {manifest.teacher["licence"]}).

```bash
pip install "tinyclap{extra}"
tinyclap selftest .
{classify}tinyclap embed SOUNDS --bundle . --out embeddings.npy
```

{graphs}

The input of the graphs is `{manifest.input}` {shape}, float32{_of(manifest)}; the output `embedding`
(batch, {manifest.embed_dim}) has unit norm. Sounds shorter than a window are repeated; longer ones are cut into
windows, the last one aligned to the end, whose embeddings are averaged and scaled to unit norm. `bundle.json` states
the rest.
"""


def _of(manifest: Manifest) -> str:
    return " in [-1, 1]" if manifest.input == "waveform" else " in decibels, see `frontend` in bundle.json"
