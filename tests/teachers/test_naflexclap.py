"""NaFlexClap: the same embeddings as OpenCLIP computes, every key of its weights, and every other folder refused."""

import copy
import dataclasses
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
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tests.support.byte_level import write_files
from tests.support.teacher_contract import CAPTIONS, TeacherContract
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models.naflexclap.vit import patchified
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers import load_teacher
from tinyclap.teachers.naflexclap import load
from tinyclap.teachers.naflexclap.model import CONFIG, WEIGHTS, NaflexClap, NaflexClapModel
from tinyclap.teachers.naflexclap.settings import Settings, read_settings

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


def test_weights_take_no_memory_twice_and_may_be_wrapped(tmp_path: Path, teacher: NaflexClap) -> None:
    weights = {f"module._orig_mod.{name}": tensor for name, tensor in MAKER["made"]("published").items()}
    model = load.built(teacher.settings, weights, "small", "small")
    assert all(
        parameter.data_ptr() == weights[f"module._orig_mod.{name}"].data_ptr()
        for name, parameter in model.named_parameters()
    )
    folder = published(tmp_path / "clap")
    (folder / WEIGHTS).unlink()
    torch.save({"epoch": 32, "state_dict": weights}, folder / load.PICKLED)
    torch.testing.assert_close(load.load_naflexclap(str(folder)).embed_text(CAPTIONS), teacher.embed_text(CAPTIONS))


def test_a_scale_in_a_list_and_a_bias_of_logits_are_read(tmp_path: Path, teacher: NaflexClap) -> None:
    folder = published(tmp_path / "clap")
    weights = load_file(folder / WEIGHTS)
    weights |= {"logit_scale": torch.tensor([2.0]), "logit_bias": torch.tensor([-10.0])}
    save_file(weights, folder / WEIGHTS)
    other = load.load_naflexclap(str(folder))
    assert other.logit_scale == pytest.approx(np.exp(2.0))
    torch.testing.assert_close(other.embed_text(CAPTIONS), teacher.embed_text(CAPTIONS))
    other.save_pretrained(tmp_path / "again", "---\nlicense: mit\n---\n")
    again = load.load_naflexclap(str(tmp_path / "again"))
    assert (again.fingerprint, again.licence) == (other.fingerprint, "mit")


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


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"text.blocks.1.attn.gate.weight": None}, r"1 missing \(e\.g\. text\.blocks\.1\.attn\.gate\.weight\)"),
        ({"logit_scale": None}, r"1 missing \(e\.g\. logit_scale\)"),
        (
            {"audio.surprise": torch.zeros(1)},
            r"not the weights of NaFlexClap as .* 1 unknown \(e\.g\. audio\.surprise\)",
        ),
        ({"audio.proj.2.bias": torch.zeros(7)}, r"1 of another shape \(e\.g\. audio\.proj\.2\.bias\)"),
        (
            {"audio.proj.2.bias": torch.full((40,), torch.nan)},
            r"1 of the weights in there hold NaN .*: audio\.proj\.2\.b",
        ),
    ],
)
def test_other_weights_are_refused_by_name(change: dict[str, Tensor | None], told: str, teacher: NaflexClap) -> None:
    kept = {name: tensor for name, tensor in MAKER["made"]("published").items() if name not in change}
    changed = kept | {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load.built(teacher.settings, changed, "other", "there")


@pytest.mark.parametrize(
    ("section", "change", "told"),
    [
        ("audio_cfg", {"model_type": "HTSAT"}, r"audio_cfg\.model_type = 'HTSAT' is not read here; .* 'naflexvit'"),
        ("audio_cfg", {"patch_freq": 7}, r"audio_cfg: patch_freq = 7 .* a divisor of mel_bins = 64"),
        ("audio_cfg", {"audio_seq_len": 3}, r"audio_seq_len = 3 .* from a column of 16 patches to 65536"),
        (
            "audio_cfg",
            {"naflexvit_cfg": {"pre_norm": "no"}},
            "pre_norm = 'no' is not allowed; it must be true or false",
        ),
        ("audio_cfg", {"naflexvit_cfg": {"mlp_ratio": 1e300}}, "mlp_ratio = 1e[+]300 .* a number above 0, at most 64"),
        ("audio_cfg", {"naflexvit_cfg": 3}, "naflexvit_cfg = 3 is not read here; it must be an object"),
        ("audio_cfg", {"hop_size": 0}, "front end: hop_length = 0 is not allowed"),
        ("audio_cfg", {"patch_pad_mode": "loop"}, "patch_pad_mode = 'loop' .* one of floor, silence, repeat"),
        ("audio_cfg", {"naflexvit_cfg": {"num_heads": 5}}, "num_heads = 5 .* a divisor of embed_dim = 768"),
        (
            "audio_cfg",
            {"naflexvit_cfg": {"window_attn": 2}},
            r"naflexvit_cfg\.window_attn = 2 is not known here; report",
        ),
        ("audio_cfg", {"naflexvit_cfg": {"global_pool": "avg"}}, r"global_pool = 'avg' is not read here; .* 'map'"),
        ("text_cfg", {"text_arch": "clip"}, r"text_cfg\.text_arch = 'clip' is not read here; it must be 'modern'"),
        ("text_cfg", {"tiktoken_name": "cl100k_base"}, "tiktoken_name = 'cl100k_base' .* 'r50k_base' or 'gpt2'"),
        ("text_cfg", {"tokenizer_kwargs": {"clean": "scrub"}}, r"clean = 'scrub' .* null, or one of whitespace"),
        (
            "text_cfg",
            {"pad_id": 5},
            "eos_id, pad_id and bos_id are 300, 5 and 302 of 303 tokens; they must be the three",
        ),
        ("text_cfg", {"eos_id": 999}, "eos_id = 999 .* a token of 0 to vocab_size - 1 = 302"),
        ("text_cfg", {"layers": 10**9}, "layers = 1000000000 .* a whole number of 1 to 256"),
        ("text_cfg", {"layers": 4}, r"not the weights of NaFlexClap as its open_clip_config\.json says: \d+ missing"),
    ],
)
def test_other_configurations_are_refused_by_their_option(
    section: str, change: Json, told: str, tmp_path: Path
) -> None:
    folder = published(tmp_path / "clap")
    model = copy.deepcopy(MAKER["CONFIGS"]["published"])
    configure(folder, model | {section: model[section] | change})
    with pytest.raises(TinyclapError, match=told):
        load.load_naflexclap(str(folder))


def test_a_configuration_of_another_kind_is_told(tmp_path: Path) -> None:
    folder = published(tmp_path / "clap")
    for text, told in (("{", "is damaged"), ("[]", "has no audio_cfg"), ('{"vision_cfg": {}}', "has no audio_cfg")):
        (folder / CONFIG).write_text(text)
        with pytest.raises(TinyclapError, match=told):
            load.load_naflexclap(str(folder))
    model = copy.deepcopy(MAKER["CONFIGS"]["published"])
    del model["text_cfg"]["text_arch"]  # OpenCLIP's default is CLIP's tower
    configure(folder, model)
    with pytest.raises(TinyclapError, match=r"text_cfg\.text_arch is missing; it must be 'modern'"):
        load.load_naflexclap(str(folder))


def test_a_folder_without_what_it_needs_is_told_where_to_get_it(tmp_path: Path) -> None:
    folder = published(tmp_path / "clap")
    (folder / "merges.txt").unlink()
    told = (
        rf"files vocab\.json and merges\.txt, of 300 tokens, are not in {folder}, and those of openai-community/gpt2 "
        r"neither in .*`hf download openai-community/gpt2 vocab\.json merges\.txt` and put them there"
    )
    with pytest.raises(TinyclapError, match=told):
        load_teacher("naflexclap", str(folder))
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:7c8c\nsize 9\n"
    for content, message in ((pointer, "git-lfs"), (b"cut off", r"cannot be read .* download it again")):
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(TinyclapError, match=message):
            load_teacher("naflexclap", str(folder))
    (folder / WEIGHTS).unlink()
    torch.save({"epoch": 3}, folder / load.PICKLED)
    with pytest.raises(TinyclapError, match=r"holds no state dict of tensors; take open_clip_model\.safetensors"):
        load_teacher("naflexclap", str(folder))
    (folder / load.PICKLED).unlink()
    (folder / CONFIG).unlink()
    told = r"has no open_clip_config\.json and no open_clip_model\.safetensors, but vocab\.json; `hf download rwightman"
    with pytest.raises(TinyclapError, match=told):
        load_teacher("naflexclap", str(folder))
    with pytest.raises(TinyclapError, match="there is no such folder"):
        load_teacher("naflexclap", str(tmp_path / "nowhere"))
    with pytest.raises(TinyclapError, match=f"hf download {load.REPOSITORY}"):
        load_teacher("naflexclap", load.REPOSITORY)
    with pytest.raises(TinyclapError, match="leave original out with kind: naflexclap"):
        load_teacher("naflexclap", load.REPOSITORY, original=True)


def test_clips_tokenizer_beside_the_weights_is_left_aside(tmp_path: Path, teacher: NaflexClap) -> None:
    """OpenCLIP uploads it where it has none to upload: one of another size, that reads the same texts otherwise."""
    folder = published(tmp_path / "clap")
    own = json.loads(teacher.tokenizer.backend_tokenizer.to_str())
    vocabulary = own["model"]["vocab"]
    (folder / "tokenizer.json").write_text(json.dumps(own))
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    alone = load.load_naflexclap(str(folder))  # of the right size, it is taken
    assert alone.fingerprint == teacher.fingerprint
    published(folder)
    own["model"]["vocab"] = vocabulary | {"clip": len(vocabulary)}
    (folder / "tokenizer.json").write_text(json.dumps(own))
    assert load.load_naflexclap(str(folder)).fingerprint == teacher.fingerprint


def test_its_folder_is_told_from_others(tmp_path: Path) -> None:
    assert load.is_naflexclap(load.REPOSITORY)
    assert load.is_naflexclap("laion/clap2-large-audioxl-s1B")
    assert not load.is_naflexclap("laion/clap-htsat-unfused")
    folder = published(tmp_path / "clap")
    assert load.is_naflexclap(str(folder))
    for other in ("[]", "{", '{"model_cfg": {"audio_cfg": {"model_type": "HTSAT"}}}'):
        (folder / CONFIG).write_text(other)
        assert not load.is_naflexclap(str(folder))


def test_without_a_number_of_patches_a_window_is_ten_seconds(tmp_path: Path) -> None:
    settings = read_settings(published(tmp_path / "clap", "rest") / CONFIG)
    assert isinstance(settings, Settings)
    assert settings.columns == 251  # of 4 frames, of 1001
    assert settings.window_s == pytest.approx(10.03)
    assert dataclasses.replace(settings, columns=10).window_s == pytest.approx(0.39)
