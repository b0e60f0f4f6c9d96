"""Who is learned from? Frozen CLAPs, one file a kind."""

from typing import TYPE_CHECKING, Literal

from tinyclap.errors import TinyclapError

if TYPE_CHECKING:
    from pathlib import Path

    from tinyclap.audio.log_mel.spec import FrontendSpec
    from tinyclap.teachers.encoder import Teacher
    from tinyclap.teachers.tagger import Space


def load_teacher(kind: str, source: str, *, original: bool = False) -> "Teacher":
    """Load a teacher by kind.

    Args:
        kind: `hf`: any ClapModel, by hub id, folder, or `demo`; `laion`: an original checkpoint, a .pt file; `msclap`:
            Microsoft's, "2022", "2023" or a .pth file; `dual`: a folder made by pretrain.
        source: where it lies.
        original: keep to the original code also where it does worse, as far as that is deterministic (each loader
            says where); for comparison with published numbers.

    Raises:
        TinyclapError: nothing to load there, or not of that kind.
    """
    if kind == "hf":
        from tinyclap.teachers.hf import load_hf

        return load_hf(source, original=original)
    if kind == "laion":
        from tinyclap.teachers.laion import load_laion

        return load_laion(source, original=original)
    if kind == "msclap":
        from tinyclap.teachers.msclap import load_msclap

        return load_msclap(source, original=original)
    from tinyclap.teachers.dual import load_dual

    return load_dual(source)


def load_tagger_teacher(
    audio: str,
    text: str,
    *,
    classes: str | None = None,
    outputs: Literal["logits", "probabilities"] = "logits",
    sample_rate: int | None = None,
    window_s: float | None = None,
    space: "Space" = "tags",
    temperature: float = 0.1,
    calibrated: bool = True,
) -> "Teacher":
    """A teacher made of an audio tagger and a text encoder; see `tagger`.

    Args:
        audio: a published tagger of EfficientAT by name (mn04_as), its .pt file, or an ONNX graph of any tagger.
        text: any text encoder of `transformers`, by hub id or folder.
        classes: file with the names of a graph's classes, in the order of its outputs; see `onnx_graphs.read_classes`.
        outputs: what a graph's are.
        sample_rate, window_s: of a graph that does not say them, Hz and seconds.
        space, temperature, calibrated: as `tagger.TaggerTeacher`.

    Raises:
        TinyclapError: a file or name that is not there, weights or a graph of another kind, or names that do not fit.
    """
    from pathlib import Path

    from torch import nn

    from tinyclap.teachers.efficientat import load_efficientat
    from tinyclap.teachers.onnx_graphs import OnnxAudio, OnnxTagger, read_classes
    from tinyclap.teachers.sentence_encoder import load_sentence_encoder
    from tinyclap.teachers.tagger import TaggerTeacher

    tagger: nn.Module
    if audio.endswith(".onnx"):
        if classes is None:
            raise TinyclapError("teacher.classes: a graph does not name its classes; give a file that does")
        graph = OnnxAudio(Path(audio).expanduser(), sample_rate=sample_rate, window_s=window_s)
        tagger = OnnxTagger(graph, read_classes(Path(classes).expanduser()), outputs)
    else:
        tagger = load_efficientat(audio)
    sentences = load_sentence_encoder(text)
    return TaggerTeacher(tagger, sentences, space=space, temperature=temperature, calibrated=calibrated)


def load_onnx_teacher(
    audio: "str | Path",
    text: "str | Path",
    tokenizer: "str | Path",
    *,
    sample_rate: int | None = None,
    window_s: float | None = None,
    frontend: "FrontendSpec | None" = None,
    max_tokens: int = 77,
    prompts: tuple[str, ...] = ("This is a sound of {}.",),
    logit_scale: float = 20.0,
    licence: str = "unknown",
) -> "Teacher":
    """A teacher of two ONNX graphs; see `onnx_graphs`.

    Args:
        audio: graph from waveforms, or with `frontend` from log-mel spectrograms, to embeddings.
        text: graph from token ids and their mask to embeddings.
        tokenizer: its tokenizer.json.
        sample_rate, window_s: of the audio graph, if it does not say them itself, Hz and seconds.
        frontend: of its spectrograms; None for waveforms.
        max_tokens: to which texts are cut.
        prompts, logit_scale, licence: as of `encoder.Teacher`.

    Raises:
        TinyclapError: a file that is not there, or a graph of another kind.
    """
    from pathlib import Path

    from tinyclap.teachers.onnx_graphs import OnnxAudio, OnnxTeacher, OnnxText

    tower = OnnxAudio(Path(audio).expanduser(), sample_rate=sample_rate, window_s=window_s, frontend=frontend)
    words = OnnxText(Path(text).expanduser(), Path(tokenizer).expanduser(), max_tokens)
    return OnnxTeacher(tower, words, prompts=prompts, logit_scale=logit_scale, licence=licence)
