"""The README.md of a bundle."""

from collections.abc import Sequence

from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.spec import MOST_GAIN, FrontendSpec
from tinyclap.common.install import install_line
from tinyclap.common.numbers import file_size
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    STATIC_GRAPH,
    STATIC_INT8_GRAPH,
    TEXT_GRAPH,
    TOKENIZER,
    WORDPIECE,
    Manifest,
)

FILES = {
    FLOAT_GRAPH: "the encoder, float32",
    INT8_GRAPH: "the encoder, INT8",
    STATIC_GRAPH: "the same at a fixed shape, for microcontroller tool chains",
    STATIC_INT8_GRAPH: "the same at this shape, INT8",
}


def readme(manifest: Manifest, labels: Sequence[str], wheel: str | None = None) -> str:
    """What the folder is, under which licence, and how to use it.

    Args:
        manifest: of the bundle.
        labels: of its table.
        wheel: the file of tinyclap in the folder; None without one.
    """
    shape = "(batch, samples)" if manifest.input == "waveform" else "(batch, 1, frames, n_mels)"
    graphs = "\n".join(
        f"- `{name}`: {FILES[name]}, {file_size(facts['size_bytes'])}, opset {facts['opset']}"
        for name, facts in manifest.graphs.items()
    )
    if manifest.text:
        words = f"words, of {manifest.text.get('words', 'the teacher')}: with `{TOKENIZER}` any text to the same space"
        graphs += f"\n- `{TEXT_GRAPH}`: {words}, {manifest.text.get('precision', 'float32')}"
    option = "" if labels else ' --labels "dog, rain"' if manifest.text else ""
    classify = f"tinyclap classify sound.wav --bundle .{option}\n" if labels or manifest.text else ""
    return f"""# {manifest.name}

A small audio encoder in the embedding space of the CLAP *{manifest.teacher["name"]}*:
{manifest.sample_rate} Hz mono sound to {manifest.embed_dim} dimensions, in windows of {manifest.window_s:g} s.
Exported by tinyclap {manifest.tinyclap}.

Licence of the weights: {manifest.licence} (inherited from the teacher: {manifest.teacher["licence"]}).

```bash
{install_line("text" if manifest.text and manifest.text.get("reader") != WORDPIECE else "", wheel=wheel)}
tinyclap selftest .
{classify}{_by_head(manifest, option) if classify else ""}tinyclap embed SOUNDS --bundle . --out embeddings.npy
```

{graphs}

The input of {_named(manifest, static=False)} is `{manifest.input}` {shape}, float32{_of(manifest)};
the output `embedding` (batch, {manifest.embed_dim}) has unit norm. Sounds shorter than a window are repeated; longer
ones are cut into windows, the last one aligned to the end. Their embeddings are added, each times its level (root of
the mean square about the window's mean, + 1e-6), and the sum is scaled to unit norm. Several channels are their mean,
or the louder of two that would cancel each other. `bundle.json` states the rest.
{_heads(manifest)}{_static(manifest)}{_front_end(manifest)}"""


def _by_head(manifest: Manifest, option: str) -> str:
    """How to ask one of several teachers; nothing where there is one."""
    return "".join(
        f"tinyclap classify sound.wav --bundle .{option} --head {name}  # by {facts['teacher']['name']} alone\n"
        for name, facts in (manifest.heads or {}).items()
    )


def _heads(manifest: Manifest) -> str:
    """Where the teachers' spaces lie in the embedding; nothing where there is one."""
    if not manifest.heads:
        return ""
    listed = "\n".join(
        f"- `{name}`: {facts['dim']} dimensions from {facts['start']} on, made unit norm again, are the space of "
        f"*{facts['teacher']['name']}* (licence: {facts['teacher']['licence']})"
        for name, facts in manifest.heads.items()
    )
    return f"""
Several teachers lie side by side in the embedding. Its cosines are the means of theirs, by weight; one alone:

{listed}
"""


def _named(manifest: Manifest, *, static: bool) -> str:
    """The graphs of a fixed shape, or the others."""
    return " and ".join(f"`{name}`" for name, facts in manifest.graphs.items() if ("frames" in facts) == static)


def _of(manifest: Manifest) -> str:
    return " in [-1, 1]" if manifest.input == "waveform" else " in decibels (see below)"


def _static(manifest: Manifest) -> str:
    """What the graphs of a fixed shape take; nothing without one."""
    facts = manifest.graphs.get(STATIC_GRAPH)
    if facts is None:
        return ""
    shape = f"(1, 1, {facts['frames']}, {manifest.frontend.n_mels})"
    samples = round(facts["duration_s"] * manifest.sample_rate)
    return f"""
The input of {_named(manifest, static=True)} is `logmel` {shape}, float32: the log-mel
spectrogram of one sound of exactly {facts["duration_s"]:g} s, {samples} samples, in decibels (see below); the output
`embedding` (1, {manifest.embed_dim}) has unit norm. It is for tool chains that read ONNX, and for ONNX Runtime itself;
of the commands `selftest` and `bench` take it, the others the graphs of any length.
"""


def _front_end(manifest: Manifest) -> str:
    """How to compute the log-mel spectrogram, where a graph asks for one."""
    if manifest.input == "waveform" and STATIC_GRAPH not in manifest.graphs:
        return ""
    steps = "\n".join(f"{number}. {step}" for number, step in enumerate(front_end_steps(manifest.frontend), 1))
    return f"""
## The log-mel spectrogram

From a mono waveform at {manifest.sample_rate} Hz, in [-1, 1]; `frontend` in `bundle.json` says the same:

{steps}

In Python it is `NumpyLogMel` of `tinyclap.audio.log_mel.in_numpy`, which needs numpy alone.{_example(manifest)}
"""


def _example(manifest: Manifest) -> str:
    if STATIC_GRAPH not in manifest.graphs:
        return ""
    return "\nTo check your own: `static_logmel` in `test_vectors.npz` is the one of `static_waveform`."


def front_end_steps(spec: FrontendSpec) -> list[str]:
    """How a log-mel spectrogram is computed, step by step."""
    emphasised = isinstance(spec, EmphasisedSpec)
    norm = "divided by half its width in Hz (Slaney's norm)" if spec.mel_norm else "of height 1 (no norm)"
    triangles = "triangles on the mel axis, none on the last bin" if emphasised else "triangles on the axis of Hz"
    steps = [
        f"Pad {spec.n_fft // 2} reflected samples at both ends.",
        f"Cut frames of {spec.n_fft} samples, one every {spec.hop_length} samples.",
        f"Multiply by a {'periodic' if spec.periodic_window else 'symmetric'} Hann window of {spec.win_length} samples "
        "in the middle of the frame.",
        f"Fourier transform, bins 0 to {spec.n_fft // 2}; magnitudes to the power of {spec.power:g}.",
        f"Sum by {spec.n_mels} mel filters from {spec.f_min:g} to {spec.f_max:g} Hz on the {spec.mel_scale} scale: "
        f"{triangles}, each {norm}.",
        f"Decibels: 10·log10(max(x, {spec.amin:g})).",
    ]
    if isinstance(spec, EmphasisedSpec):
        steps.insert(0, f"Replace x[t] by x[t] - {spec.preemphasis:g}·x[t - 1], one sample fewer.")
        steps[-1] = f"(ln(x + {spec.offset:g}) + {spec.shift:g}) / {spec.scale:g}."
    if spec.lowest_rms is not None:
        steps.insert(
            0,
            f"Raise a quiet window: where the root of its mean square is below {spec.lowest_rms:.4g} "
            f"({spec.raise_to_dbfs:g} dB of full scale), multiply it so that it is that, by {MOST_GAIN:g} at most.",
        )
    return steps
