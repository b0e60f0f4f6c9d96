"""From a student and its teacher to a bundle: graphs, labels, text side, each compared with torch."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from tinyclap.common.files import whole_folder, write_array, write_json, write_text
from tinyclap.common.progress import silent
from tinyclap.data.decoded import Decoded
from tinyclap.embeddings import zero_shot
from tinyclap.embeddings.joint_space import Head
from tinyclap.errors import TinyclapError
from tinyclap.exporters.background import measured_background
from tinyclap.exporters.bundle_readme import readme
from tinyclap.exporters.calibration import CalibrationSet, logmels, shipped_vectors, windows, words_of_label
from tinyclap.exporters.manifest import manifest_of, stamp
from tinyclap.exporters.onnx import parity, quantize_int8
from tinyclap.exporters.onnx.graph import join, operators, save
from tinyclap.exporters.onnx.opset import at_opset, opset_of
from tinyclap.exporters.onnx.student import encoder_graph, frontend_graph, static_graph
from tinyclap.exporters.onnx.text import StudentWords, TextSide, write_text_side
from tinyclap.exporters.onnx.tool_chains import refuse_unknown
from tinyclap.exporters.options import ExportOptions
from tinyclap.exporters.own_wheel import write_wheel
from tinyclap.hardware import traced_costs
from tinyclap.models.student import Student
from tinyclap.models.text_student import TextStudent
from tinyclap.runtime.background import write_background
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.bundle_contents import (
    FLOAT_GRAPH,
    INT8_GRAPH,
    LABEL_EMBEDDINGS,
    LABELS,
    README,
    STATIC_GRAPH,
    STATIC_INT8_GRAPH,
    TEST_VECTORS,
    TEXT_GRAPH,
    Manifest,
    is_bundle,
    write_manifest,
)
from tinyclap.runtime.selftest import refuse_failed, selftest
from tinyclap.runtime.session import open_session, run
from tinyclap.runtime.text_encoder import TextEncoder
from tinyclap.teachers.encoder import Teacher
from tinyclap.teachers.joint import heads_in
from tinyclap.teachers.stored_embeddings import class_vectors, teacher_texts

SHIPPED_LABELS = ("dog", "rain")  # whose prompts are the text side's test inputs

FLOAT_OF = {INT8_GRAPH: FLOAT_GRAPH, STATIC_INT8_GRAPH: STATIC_GRAPH}
STATIC_GRAPHS = (STATIC_GRAPH, STATIC_INT8_GRAPH)

Graphs = Mapping[str, onnx.ModelProto]


@dataclass(frozen=True)
class Exporter:
    """Writes a student as a bundle.

    Attributes:
        student: is put into evaluation mode.
        teacher: gives the label vectors, the text tower, the licence.
        calibration_set: to calibrate, measure and compare on.
        options: what goes into the bundle.
        name: of the bundle.
        prompts: templates with `{}`.
        sweep: what fewer dimensions of a pruned student cost, rows of `pruning.sweep`.
        words: a text student of this teacher, whose words the text side has; None for the teacher's own.
        progress: called with a line on each step.
    """

    student: Student
    teacher: Teacher
    calibration_set: CalibrationSet
    options: ExportOptions
    name: str
    prompts: tuple[str, ...]
    sweep: Sequence[Mapping[str, Any]] = ()
    words: TextStudent | None = None
    progress: Callable[[str], None] = silent

    def write(self, folder: Path, *, overwrite: bool = False) -> Manifest:
        """Write the bundle, whole or not at all, and return its manifest.

        Raises:
            TinyclapError: the folder is taken, or labels, durations or tokenizers that cannot be used.
            GateError: the graphs do not compute what the student computes; nothing is written.
        """
        refuse_taken(folder, overwrite)
        student, options = self.student.eval(), self.options
        if options.int8_min_agreement is not None and not (options.labels or self.calibration_set.labels):
            raise TinyclapError("--int8-min-agreement needs classes; give --labels, or a recipe with data.test")
        with whole_folder(folder) as new:
            wheel = write_wheel(new).name if options.wheel else None
            text = self._write_words(new)
            graphs = self._graphs()
            facts = self._facts(graphs)
            for name in [name for name in FLOAT_OF if name in graphs]:
                facts[name] |= self._measure_int8(name, new, graphs)
            manifest = stamp(new, graphs, manifest_of(self, facts, text.entry if text else None))
            if text is not None:
                save(text.graph, new / TEXT_GRAPH, manifest.graph_metadata())
            write_text(new / README, readme(manifest, options.labels, wheel))
            self._write_test_vectors(new, manifest)
            self._write_background(new)
            sounds = parity.test_sounds(self.calibration_set.train, student.config.window_samples)
            self.progress(f"comparing with torch on {len(sounds)} sounds")
            measured = parity.check(new, student, sounds)
            if options.static_s is not None:
                worst = parity.check_static(new / STATIC_GRAPH, student, options.static_s, sounds)
                measured["max_abs_static"] = worst
            if text is not None:
                measured |= {"max_abs_text": text.difference, "cosine_text": text.cosine}
            complete = write_manifest(new, dataclasses.replace(manifest, parity=measured))
            refuse_failed(folder, selftest(new))
            return complete

    def _write_test_vectors(self, folder: Path, manifest: Manifest) -> None:
        """What `selftest` compares with; the folder is a bundle then, whose INT8 graph can be run for it."""
        vectors = shipped_vectors(self.student, self.options.static_s)
        if self.options.text:
            texts = [text for pair in zero_shot.prompts_for(SHIPPED_LABELS, self.prompts) for text in pair]
            vectors |= {"texts": np.array(texts), "text_embedding": self._expected(folder, manifest, texts)}

        def write() -> None:
            np.savez_compressed(folder / TEST_VECTORS, **vectors)  # type: ignore[arg-type]
            write_manifest(folder, manifest)

        write()
        if self.options.int8:
            waveforms = [vectors[f"waveform_{row}"] for row in range(len(vectors["embedding"]))]
            rounded = Bundle.load(folder, graph="int8")
            vectors["embedding_int8"] = rounded.embed(waveforms, sample_rate=self.student.sample_rate)
            if STATIC_INT8_GRAPH in manifest.graphs:
                session = self._opened(folder / STATIC_INT8_GRAPH)
                vectors["static_embedding_int8"] = run(session, {"logmel": vectors["static_logmel"]})
            write()

    def _expected(self, folder: Path, manifest: Manifest, texts: list[str]) -> np.ndarray:
        """What another machine must compute of texts: as in torch, or of an INT8 graph as it does here."""
        assert manifest.text is not None
        if manifest.text["precision"] != "float32":
            limits = {name: manifest.text[name] for name in ("max_tokens", "pad_id")}
            return TextEncoder(folder, **limits).embed(texts)
        if self.words is None:
            return teacher_texts(self.teacher, texts, self.student.latent_map)
        own: np.ndarray = self.words.embed_text(texts).numpy()
        return own if self.student.latent_map is None else self.student.latent_map.apply(own)

    def _write_background(self, folder: Path) -> None:
        """What unrelated sounds look like; the folder is a bundle then."""
        self.progress("embedding generated sounds that are none of the labels")
        bundle = Bundle.load(folder, graph="float")
        write_background(folder, measured_background(bundle, self.teacher, self.prompts, self.student.latent_map))

    def _graphs(self) -> dict[str, onnx.ModelProto]:
        """The audio graphs by file name."""
        student, calibration_set, options = self.student, self.calibration_set, self.options
        self.progress("tracing the student")
        graphs = {FLOAT_GRAPH: encoder_graph(student)}
        if options.static_s is not None:
            graphs[STATIC_GRAPH] = static_graph(student, options.static_s)
        if options.int8:
            self.progress(f"calibrating INT8 on {len(calibration_set.calibration)} training clips")
            for name, exact in FLOAT_OF.items():
                if exact in graphs:
                    sounds = self._logmels(name, calibration_set.train, calibration_set.calibration)
                    graphs[name] = quantize_int8.quantize(graphs[exact], sounds)
        if options.input == "waveform":
            frontend = frontend_graph(student.frontend, student.config.window_samples)
            graphs |= {name: join(frontend, graphs[name]) for name in graphs if name not in STATIC_GRAPHS}
        if options.opset is not None:
            graphs = {name: at_opset(graph, options.opset) for name, graph in graphs.items()}
        if options.static_for is not None:
            for name in [name for name in STATIC_GRAPHS if name in graphs]:
                refuse_unknown(options.static_for, name, graphs[name])
        return dict(sorted(graphs.items()))

    def _logmels(self, name: str, decoded: Decoded, indices: Sequence[int]) -> Iterator[np.ndarray]:
        """Clips as decibels, as long as a graph takes them."""
        return logmels(self.student, decoded, indices, self.options.static_s if name in STATIC_GRAPHS else None)

    def _opened(self, path: Path) -> Any:
        """A session of an audio graph, on one thread."""
        kind = "logmel" if path.name in STATIC_GRAPHS else self.options.input
        return open_session(path, inputs=[kind], output="embedding", providers=None, threads=1)

    def _facts(self, graphs: Graphs) -> dict[str, dict[str, Any]]:
        """What the manifest says of each graph; MACs as in `traced_costs`, for one window and without the front end."""
        student, static_s, facts = self.student, self.options.static_s, {}
        spec = student.config.frontend
        for name, graph in graphs.items():
            static = name in STATIC_GRAPHS
            frames = spec.n_frames(student.config.window_samples)
            if static:
                frames = graph.graph.input[0].type.tensor_type.shape.dim[2].dim_value
            facts[name] = {
                "precision": "int8" if name in FLOAT_OF else "float32",
                "opset": opset_of(graph),
                "parameters": traced_costs.n_parameters(student),
                "macs": traced_costs.count_macs(student, student.encode, torch.zeros(1, 1, frames, spec.n_mels)),
                "size_bytes": 0,
                **({"duration_s": static_s, "frames": frames, "operators": operators(graph)} if static else {}),
            }
        return facts

    def _measure_int8(self, name: str, folder: Path, graphs: Graphs) -> dict[str, Any]:
        """An INT8 graph beside its float graph, for the manifest; raises GateError if it is too far away."""
        calibration_set, asked = self.calibration_set, self.options.int8_min_agreement
        decoded, indices = calibration_set.measured
        self.progress(
            f"measuring {name} on {len(indices)} {'test' if calibration_set.test else 'held-back training'} clips"
        )
        for graph in (FLOAT_OF[name], name):
            save(graphs[graph], folder / graph)
        whole = self.options.input == "waveform" and name not in STATIC_GRAPHS
        batches = windows(self.student, decoded, indices) if whole else self._logmels(name, decoded, indices)
        labels = self.options.labels or calibration_set.labels
        classes = self._classes(labels) if labels else None
        exact, rounded = (self._opened(folder / graph) for graph in (FLOAT_OF[name], name))
        measured = quantize_int8.measure(exact, rounded, batches, classes, self._parts())
        min_agreement = quantize_int8.MIN_AGREEMENT if asked is None else asked
        quantize_int8.gate(name, measured, self.options.int8_min_cosine, min_agreement)
        return {**dataclasses.asdict(measured), "measured_clips": len(indices)}

    def _parts(self) -> tuple[Head, ...]:
        """The heads of a student of several teachers, each of which INT8 must keep; none of a pruned one."""
        return () if self.student.latent_map else heads_in(self.teacher)

    def _write_words(self, folder: Path) -> TextSide | None:
        """The label table, and the text side if it is asked for."""
        labels = self.options.labels
        if labels:
            write_json(folder / LABELS, {"labels": list(labels), "prompts": list(self.prompts)})
            write_array(folder / LABEL_EMBEDDINGS, self._classes(labels).astype(np.float32))
        if not self.options.text:
            return None
        source = self.teacher if self.words is None else StudentWords(self.words)
        self.progress(f"tracing the words of {source.name}")
        prompts = zero_shot.prompts_for(labels or ("sound",), self.prompts, self._words_of)
        checked = [text for texts in prompts for text in texts]
        space, options = self.student.latent_map, self.options
        int8 = options.int8 and self.words is not None
        return write_text_side(source, folder, checked, space, options.opset, int8=int8, table_bits=options.table_bits)

    def _classes(self, labels: tuple[str, ...]) -> np.ndarray:
        """Their unit vectors in the student's space."""
        return class_vectors(self.teacher, labels, self.prompts, self.student.latent_map, self._words_of)

    def _words_of(self, label: str) -> str:
        return words_of_label(self.calibration_set, label)


def refuse_taken(folder: Path, overwrite: bool) -> None:
    """Only a bundle is ever replaced, and only if asked to."""
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents) or folder.is_mount():
        raise TinyclapError(
            f"{folder} cannot be replaced as a whole; name a folder in it, e.g. --out {folder / 'bundle'}"
        )
    if folder.exists() and not folder.is_dir():
        raise TinyclapError(f"{folder} is a file; choose another folder with --out DIR")
    if folder.is_dir() and any(folder.iterdir()):
        if not is_bundle(folder):
            raise TinyclapError(f"{folder} is not empty and no bundle, so it is left alone; choose another with --out")
        if not overwrite:
            raise TinyclapError(f"{folder} holds a bundle; replace it with --overwrite, or choose another with --out")
