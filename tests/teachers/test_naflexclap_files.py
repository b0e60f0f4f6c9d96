"""NaFlexClap's files: every form in which they are published, and every other folder refused by what is wrong in it."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.support.teacher_contract import CAPTIONS
from tests.teachers.test_naflexclap import MAKER, Json, configure, made, published
from tinyclap.errors import TinyclapError
from tinyclap.teachers import load_teacher
from tinyclap.teachers.naflexclap import load
from tinyclap.teachers.naflexclap.model import CONFIG, WEIGHTS, NaflexClap
from tinyclap.teachers.naflexclap.settings import Settings, read_settings


@pytest.fixture(scope="module")
def teacher() -> NaflexClap:
    return made()


def test_weights_take_no_memory_twice_and_may_be_wrapped(tmp_path: Path, teacher: NaflexClap) -> None:
    weights = {f"module._orig_mod.{name}": tensor for name, tensor in MAKER["made"]("published").items()}
    model = load.built(teacher.settings, weights, "small")
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
            r"1 of its weights hold NaN .*, e\.g\. audio\.proj\.2\.b",
        ),
    ],
)
def test_other_weights_are_refused_by_name(change: dict[str, Tensor | None], told: str, teacher: NaflexClap) -> None:
    kept = {name: tensor for name, tensor in MAKER["made"]("published").items() if name not in change}
    changed = kept | {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load.built(teacher.settings, changed, "other")


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
