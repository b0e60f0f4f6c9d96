"""A bundle asked what it understands; on the base install."""

from pathlib import Path
from typing import Any

from tinyclap.errors import TinyclapError
from tinyclap.evaluation.probe import Ears, Words, probe
from tinyclap.runtime.bundle import Bundle

BUNDLE = "bundle"


def probe_bundle(bundle: Bundle, **settings: Any) -> dict[str, Any]:
    """Probe a bundle's own ears and words; `settings` and what is returned as for `evaluation.probe.probe`.

    Raises:
        TinyclapError: the bundle has no text side.
    """
    if bundle.manifest.text is None:
        raise TinyclapError(
            f"bundle {bundle.folder} has no words, so nothing can be asked of it; export its run with "
            "`tinyclap export --onnx --text`, or probe the run"
        )
    ears = Ears(
        BUNDLE,
        bundle.sample_rate,
        bundle.manifest.window_s,
        lambda recordings: bundle.embed(recordings, sample_rate=bundle.sample_rate),
    )
    return {"bundle": str(Path(bundle.folder)), **probe([ears], [Words(BUNDLE, bundle.embed_text)], **settings)}
