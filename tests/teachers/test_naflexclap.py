"""NaFlexClap: the same embeddings as OpenCLIP computes, every key of its weights, and every other folder refused."""

import copy
import json
import re
import runpy
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence

from tests.golden.byte_level import write_files
from tests.support.teacher_contract import TeacherContract
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models.naflexclap.vit import patchified
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers.naflexclap import load
from tinyclap.teachers.naflexclap.model import CONFIG, WEIGHTS, NaflexClap, NaflexClapModel
from tinyclap.teachers.naflexclap.settings import read_settings

FOLDER = Path(__file__).parents[1] / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_naflexclap.py"))
GOLDEN = np.load(FOLDER / "naflexclap.npz")
KEYS = Path(__file__).parents[3] / "shared" / "anchors" / "02_naflexclap_state_dict.txt"
KINDS = list(MAKER["CONFIGS"])
Json = dict[str, Any]


def published(folder: Path, kind: str = "published", **changed: Any) -> Path:
    """A folder as on the hub, with GPT-2's files of a small vocabulary; `changed` are options of its text tower."""
    folder.mkdir(exist_ok=True)
    model = copy.deepcopy(MAKER["CONFIGS"][kind])
    model["text_cfg"] |= changed
    configure(folder, model)
    save_file(MAKER["made"](kind), folder / WEIGHTS)
    pieces = [piece.encode("latin-1") for piece in json.loads(str(GOLDEN["vocabulary"]))]
    write_files(folder, pieces, "<|endoftext|>")
    return folder


def configure(folder: Path, model: Json) -> None:
    (folder / CONFIG).write_text(json.dumps({"model_cfg": model, "preprocess_cfg": {}}))


def made(kind: str = "published", **changed: Any) -> NaflexClap:
    with tempfile.TemporaryDirectory() as folder:
        return load.load_naflexclap(str(published(Path(folder) / "clap", kind, **changed)))


@pytest.fixture(scope="module", params=KINDS)
def each(request: pytest.FixtureRequest) -> tuple[str, NaflexClap]:
    return request.param, made(request.param)


@pytest.fixture(scope="module")
def teacher() -> NaflexClap:
    return made()


class TestContract(TeacherContract):
    kind = "naflexclap"

    @classmethod
    def make(cls) -> NaflexClap:
        return made()


def test_audio_is_what_the_original_computes(each: tuple[str, NaflexClap]) -> None:
    """Each clip at its own length, alone and beside the others; one is shorter than a frame of the spectrogram."""
    kind, teacher = each
    clips = MAKER["waveforms"]()
    lengths = torch.tensor([len(clip) for clip in clips])
    together = teacher.embed_audio(pad_sequence(clips, batch_first=True, padding_value=0.7), lengths)
    np.testing.assert_allclose(together, GOLDEN[f"{kind}_audio"], atol=1e-6)
    np.testing.assert_allclose(together, GOLDEN[f"{kind}_audio_in_a_batch"], atol=1e-6)
    for clip, wanted in zip(clips, GOLDEN[f"{kind}_audio"], strict=True):
        np.testing.assert_allclose(teacher.embed_audio(clip[None])[0], wanted, atol=1e-6)


def test_patches_are_the_originals(each: tuple[str, NaflexClap]) -> None:
    """Their values in decibels and their number; in the original they come row by row."""
    kind, teacher = each
    config = teacher.settings.vit
    cut = [
        patchified(teacher.frontend(teacher.pad(clip)[None])[:, 0], None, config)[0] for clip in MAKER["waveforms"]()
    ]
    assert [len(patches) for patches in cut] == GOLDEN[f"{kind}_counts"].tolist()
    by_row = cut[1].unflatten(0, (-1, config.rows)).transpose(0, 1).flatten(0, 1)
    np.testing.assert_allclose(by_row[::3], GOLDEN[f"{kind}_patches"], atol=2e-5)


def test_the_towers_are_the_originals_where_no_rounding_hides_a_difference(each: tuple[str, NaflexClap]) -> None:
    """In float64; the spectrogram stays in float32, where ours differs by some 4e-6 dB."""
    kind, teacher = each
    exact = copy.deepcopy(teacher.model).double()
    logmel = teacher.frontend(MAKER["waveforms"]()[1][None])[:, 0].double()
    tokens = torch.from_numpy(GOLDEN["tokens"])
    with torch.no_grad():
        text = torch.nn.functional.normalize(exact.text(tokens, tokens != teacher.pad_id), dim=-1)
        np.testing.assert_allclose(exact.audio(logmel, None), GOLDEN[f"{kind}_audio_float64"], atol=3e-8)
    np.testing.assert_allclose(text, GOLDEN[f"{kind}_text_float64"], atol=1e-9)


def test_text_is_what_the_original_computes(each: tuple[str, NaflexClap]) -> None:
    """From the words on; the last one is cut."""
    kind, teacher = each
    with pytest.warns(UserWarning, match=r"a caption of \d+ tokens is cut to 24"):
        embedded = teacher.embed_text(list(MAKER["TEXTS"]))
    np.testing.assert_allclose(embedded, GOLDEN[f"{kind}_text"], atol=1e-6)
    assert teacher.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert (teacher.sample_rate, teacher.embed_dim, teacher.licence) == (48_000, 40, "unknown")


def test_tokens_are_the_originals(teacher: NaflexClap) -> None:
    rows = teacher.tokenizer(list(MAKER["TEXTS"]))["input_ids"]
    for row, wanted in zip(rows, GOLDEN["tokens"], strict=True):
        assert (row if len(row) <= 24 else [*row[:23], row[-1]]) == wanted[wanted != teacher.pad_id].tolist()


@pytest.mark.parametrize("clean", MAKER["CLEANINGS"])
def test_texts_are_cleaned_as_the_original_cleans_them(clean: str) -> None:
    words = made(tokenizer_kwargs={"clean": clean}).tokenizer
    for row, wanted in zip(words(list(MAKER["PLAIN"]))["input_ids"], GOLDEN[f"tokens_{clean}"], strict=True):
        assert row == wanted[wanted != MAKER["BODY"] + 1].tolist()


def test_every_tensor_of_the_published_towers_has_its_place(tmp_path: Path) -> None:
    """460 by name and shape, in a model of full size without memory."""
    if not KEYS.is_file():
        pytest.skip("the published names lie in shared/anchors, which is not here")
    model = copy.deepcopy(MAKER["CONFIGS"]["published"])
    model["embed_dim"] = 512
    model["audio_cfg"]["audio_seq_len"] = 816
    model["audio_cfg"]["naflexvit_cfg"] |= {"embed_dim": 512, "depth": 20, "num_heads": 8}
    model["text_cfg"] |= {"vocab_size": 50_260, "width": 512, "heads": 8, "layers": 12, "context_length": 256}
    model["text_cfg"] |= {"eos_id": 50_257, "pad_id": 50_258, "bos_id": 50_259}
    configure(tmp_path, model)
    settings = read_settings(tmp_path / CONFIG)
    with torch.device("meta"):
        own = NaflexClapModel(settings).state_dict()
    lines = [line for line in KEYS.read_text().splitlines() if not line.startswith("#")]
    parsed = [re.match(r"(\S+) \(([\d, ]*)\)", line) for line in lines]
    wanted = {found[1]: found[2].replace(" ", "").rstrip(",") for found in parsed if found}
    first = {name: ",".join(map(str, tensor.shape)) for name, tensor in own.items() if not re.search(r"s\.[1-9]", name)}
    assert first == wanted
    assert len(own) == 460
    assert round(sum(tensor.numel() for tensor in own.values()) / 1e6, 2) == 139.73
    assert settings.window_s == pytest.approx(10.19)
    ten = patchified(torch.zeros(1, settings.spec.n_frames(480_000), 64), None, settings.vit)
    assert ten.shape == (1, 816, 80)  # 10 s, as the original counts


def test_short_clips_are_filled_up_with_zeros_to_a_frame(teacher: NaflexClap) -> None:
    short = torch.from_numpy(np.random.default_rng(1).uniform(-0.3, 0.3, (1, 700)).astype(np.float32))
    filled = torch.nn.functional.pad(short, (0, 1024 - 700))
    torch.testing.assert_close(teacher.embed_audio(short), teacher.embed_audio(filled))
    assert torch.isfinite(teacher.embed_audio(short[:, :1])).all()
    assert torch.isfinite(teacher.embed_audio(torch.zeros(1, 5000))).all()
    with pytest.raises(TinyclapError, match="clip lengths must lie in"):
        teacher.embed_audio(torch.zeros(1, 0))
    assert teacher.embed_text([]).shape == (0, 40)


def test_a_gradient_reaches_both_towers() -> None:
    teacher = made("rest").requires_grad_(True).train()
    loss = (teacher.encode_audio(0.1 * torch.randn(2, 9000)) * teacher.encode_text(["rain", "a dog"])).sum()
    loss.backward()
    untouched = [name for name, parameter in teacher.named_parameters() if parameter.grad is None]
    assert untouched == ["model.logit_scale"]
    assert len(teacher.audio_parameters()) + len(teacher.text_parameters()) + 1 == len(list(teacher.parameters()))


def test_its_costs_grow_with_its_shape(teacher: NaflexClap) -> None:
    """By hand: of every token qkv, gate, projection and MLP, of every two tokens two products; patches and pool."""
    vit, tokens = teacher.settings.vit, 160 + 1
    width = vit.embed_dim
    blocks = vit.depth * (tokens * (5 + 8) * width**2 + 2 * tokens**2 * width)
    pool = 160 * 2 * width**2 + 2 * 160 * width + (2 + 8) * width**2
    wanted = 160 * 80 * width + blocks + pool + (width + 40) * 40
    assert teacher.costs() == {"parameters": sum(p.numel() for p in teacher.model.audio.parameters()), "macs": wanted}


def test_fingerprints_follow_what_changes_an_embedding(teacher: NaflexClap) -> None:
    assert made().fingerprint == teacher.fingerprint
    others = [made(tokenizer_kwargs={"clean": "lower"}), made(context_length=20), made(norm_eps=1e-6)]
    assert len({teacher.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.slow
def test_both_sides_become_graphs(each: tuple[str, NaflexClap], tmp_path: Path) -> None:
    kind, teacher = each
    facts = export_tower(teacher, tmp_path / "tower.onnx")
    assert facts["max_abs"] < 1e-5
    session = open_session(tmp_path / "tower.onnx", inputs=["waveform"], output="embedding", providers=None, threads=1)
    for clip, wanted in zip(MAKER["waveforms"](), GOLDEN[f"{kind}_audio"], strict=True):
        padded = teacher.pad(clip)[None].numpy()
        np.testing.assert_allclose(run(session, {"waveform": padded})[0], wanted, atol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of what is cut
        text = write_text_side(teacher, tmp_path, ["a dog barking", "rain falls", "the zip " * 40])
    assert text.difference < 1e-5
