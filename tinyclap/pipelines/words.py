"""The text side of a ready-made bundle, for any words: what `tinyclap get NAME --words` adds (train install)."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np

from tinyclap.common.files import whole_folder, write_text
from tinyclap.embeddings import zero_shot
from tinyclap.errors import TinyclapError
from tinyclap.exporters.bundle_readme import readme
from tinyclap.exporters.onnx.graph import save
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import TEST_VECTORS, TEXT_GRAPH, read_manifest, write_manifest
from tinyclap.runtime.selftest import selftest
from tinyclap.teachers import load_tagger_teacher
from tinyclap.teachers.cache import class_vectors
from tinyclap.teachers.options import TaggerOptions
from tinyclap.teachers.tagger import TaggerTeacher

COMPARED, SAME = 8, 1e-3  # labels whose vectors tell a sentence encoder, and their largest difference


def add_words(folder: Path, weights: Path, text: str = TaggerOptions.text) -> None:
    """Give a ready-made bundle its text side, whole or not at all.

    Args:
        folder: of the bundle.
        weights: of its tagger, the publisher's file.
        text: its sentence encoder, by hub id or folder.

    Raises:
        TinyclapError: another sentence encoder than the one that made the bundle's label table.
        GateError: the graph does not compute what the sentence encoder computes.
    """
    manifest, labels = read_manifest(folder), Bundle.load(folder).label_table()
    teacher = load_tagger_teacher(TaggerOptions(str(weights), text))
    assert isinstance(teacher, TaggerTeacher)
    own = class_vectors(teacher, labels.labels[:COMPARED], manifest.prompts)
    if not np.abs(own - labels.embeddings[:COMPARED]).max() <= SAME:
        raise TinyclapError(f"{text} is not the sentence encoder of this bundle, which is {manifest.teacher['name']}")
    texts = [entry for pair in zero_shot.prompts_for(labels.labels[:COMPARED], manifest.prompts) for entry in pair]
    with whole_folder(folder) as new:
        shutil.copytree(folder, new, dirs_exist_ok=True)
        side = write_text_side(teacher, new, texts)
        licences = dict.fromkeys((manifest.licence, teacher.text.licence))
        manifest = dataclasses.replace(manifest, text=side.entry, licence=", ".join(licences))
        save(side.graph, new / TEXT_GRAPH, manifest.graph_metadata())
        write_text(new / "README.md", readme(manifest, labels.labels))
        vectors = dict(np.load(folder / TEST_VECTORS))
        vectors |= {"texts": np.array(texts), "text_embedding": teacher.embed_text(texts).numpy()}
        np.savez_compressed(new / TEST_VECTORS, **vectors)
        write_manifest(new, manifest)
        failed = [test.graph for test in selftest(new) if test.passed is False]
        if failed:
            raise TinyclapError(
                f"{', '.join(failed)} of the new bundle do not pass their own test; nothing was changed"
            )
