"""A bundle as an encoder of MTEB, for its audio tasks (MAEB): zero-shot, retrieval, classification, clustering.

    mteb.evaluate(tinyclap.suites.mteb.Encoder("everyday"), tasks)

Follows `mteb.models.models_protocols.EncoderProtocol` (mteb 2.26).
"""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, get_args

import numpy as np

from tinyclap.common.progress import counted
from tinyclap.errors import TinyclapError
from tinyclap.matching.encoder import text_identity
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.text_encoder import UnknownWordsError
from tinyclap.suites.decoding import let_datasets_read
from tinyclap.suites.loading import Named, bundle_of


class Encoder:
    """Sounds by the bundle's ears, texts by its words.

    A text goes to the words as the task gives it: the tasks have prompts of their own.

    Args:
        bundle: see `loading.Named`.

    Attributes:
        bundle: that embeds.

    Raises:
        TinyclapError: there is no such bundle.
        ModuleNotFoundError: mteb is not installed.
    """

    def __init__(self, bundle: Named = None) -> None:
        self.bundle = bundle_of(bundle)
        let_datasets_read()

    @cached_property
    def mteb_model_meta(self) -> Any:
        """What MTEB is told: its revision is a hash of the graphs that are run, so results are kept apart."""
        from mteb.models import ModelMeta
        from mteb.types import Licenses

        manifest, words = self.bundle.manifest, self.bundle.manifest.text
        licence = manifest.licence.lower()
        return ModelMeta(
            loader=None,
            name=f"tinyclap/{re.sub(r'[^A-Za-z0-9._-]+', '-', manifest.name)}",
            revision=text_identity(self.bundle, self.bundle.graph),
            release_date=manifest.created[:10],
            languages=["eng-Latn"] if words else None,
            # Of the ears; a manifest does not say how many the words have.
            n_parameters=None if words else int(manifest.graphs[self.bundle.graph]["parameters"]),
            memory_usage_mb=None,
            max_tokens=words["max_tokens"] if words else None,
            embed_dim=self.bundle.embed_dim,
            license=licence if licence in get_args(Licenses) else None,
            open_weights=True,
            public_training_code=None,
            public_training_data=None,
            framework=["ONNX"],
            similarity_fn_name="cosine",
            use_instructions=False,
            training_datasets=None,
            modalities=["audio", "text"] if words else ["audio"],
        )

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: Any = None,
        **options: Any,
    ) -> np.ndarray:
        """Embed what a `DataLoader` of MTEB gives.

        Args:
            inputs: over a data set with a column `audio`, `text` or both.
            task_metadata: of the task, for what is told; of `hf_split`, `hf_subset` and `prompt_type` nothing depends.
            options: `show_progress_bar`; others are left alone.

        Returns:
            Unit-norm float32 (N, embed_dim); of rows with a sound and a text the sum of both. Zeros, which are like
            nothing else, for a text no word of which the bundle knows; a warning counts them.

        Raises:
            TinyclapError: a sound that cannot be used, texts for a bundle without a text side, or neither column.
        """
        columns = [name for name in ("audio", "text") if name in inputs.dataset.features]
        if not columns:
            found = ", ".join(inputs.dataset.features)
            raise TinyclapError(f"{task_metadata.name} has the columns {found}; expected audio, text or both")
        inputs.collate_fn = list  # as they are; MTEB's own would resample
        rows: Iterable[Mapping[str, Any]] = (row for batch in inputs for row in batch)
        if options.get("show_progress_bar", True):
            rows = counted(rows, task_metadata.name, len(inputs.dataset), "row")
        sounds: list[np.ndarray] = []
        texts: list[str] = []
        for row in rows:
            if "audio" in columns:
                sounds.append(self._sound(row["audio"], f"{task_metadata.name}, row {len(sounds)}"))
            if "text" in columns:
                texts.append(row["text"])
        total = np.zeros((len(inputs.dataset), self.bundle.embed_dim), np.float32)
        if sounds:
            total += np.stack(sounds)
        if texts:
            total += embed_texts(self.bundle, texts)
        return total

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of every one of N embeddings with every one of M: tensor (N, M)."""
        from mteb.similarity_functions import cos_sim

        return cos_sim(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosines of N pairs: tensor (N,)."""
        from mteb.similarity_functions import pairwise_cos_sim

        return pairwise_cos_sim(embeddings1, embeddings2)

    def _sound(self, audio: Any, where: str) -> np.ndarray:
        sound = {"array": np.asarray(audio["array"], np.float32), "sampling_rate": audio["sampling_rate"]}
        try:
            return self.bundle.embed(sound)[0]
        except TinyclapError as error:
            raise TinyclapError(f"{where}: {error}") from error


def embed_texts(bundle: Bundle, texts: Sequence[str]) -> np.ndarray:
    """Texts as float32 (N, embed_dim): unit vectors, and zeros for those no word of which is known.

    Warns:
        UserWarning: how many of them are not known, and the first.

    Raises:
        TinyclapError: the bundle has no text side.
    """
    try:
        return bundle.embed_text(texts)
    except UnknownWordsError:
        pass
    embedded, unknown = np.zeros((len(texts), bundle.embed_dim), np.float32), []
    for row, text in enumerate(texts):
        try:
            embedded[row] = bundle.embed_text(text)[0]
        except UnknownWordsError:
            unknown.append(text)
    warnings.warn(
        f"{bundle.manifest.name} knows no word of {len(unknown)} of {len(texts)} texts, e.g. {unknown[0][:80]!r}; "
        "they get zeros, and match nothing",
        stacklevel=2,
    )
    return embedded
