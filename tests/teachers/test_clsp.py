"""CLSP: the same embeddings as the original computes, every key of its weights, and every other folder refused."""

import copy
import json
import re
import runpy
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import RobertaModel

from tests.support.teacher_contract import TeacherContract
from tinyclap.errors import TinyclapError
from tinyclap.exporters.onnx.text import write_text_side
from tinyclap.exporters.onnx.tower import export_tower
from tinyclap.models import zipformer
from tinyclap.models.zipformer_layer import StackConfig
from tinyclap.runtime.session import open_session, run
from tinyclap.teachers import load_teacher
from tinyclap.teachers.clsp import load
from tinyclap.teachers.clsp.model import SHORTEST, Clsp, ClspModel

FOLDER = Path(__file__).parents[1] / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_clsp.py"))
GOLDEN = np.load(FOLDER / "clsp.npz")
KEYS = Path(__file__).parents[3] / "shared" / "anchors" / "01_clsp_state_dict.txt"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
UNUSED = "encoder.encoders.1.encoder.layers.0.bypass_scale"


def state() -> dict[str, Tensor]:
    weights: dict[str, Tensor] = MAKER["clsp_state"]()
    return weights


def tokenizer_files(folder: Path) -> None:
    """A small byte-level BPE in the files of roberta-base."""
    small = ByteLevelBPETokenizer()
    small.train_from_iterator(["a dog barking, rain falls zip"] * 9, vocab_size=290, special_tokens=SPECIAL)
    small.save_model(str(folder))


def published(folder: Path, weights: dict[str, Tensor]) -> Path:
    """A folder as on the hub: the configuration points to code, which is not there and must not be missed."""
    folder.mkdir(exist_ok=True)
    save_file({f"model.{name}": tensor for name, tensor in weights.items()}, folder / "model.safetensors")
    code = {"AutoConfig": "configuration_clsp.CLSPConfig", "AutoModel": "modeling_clsp.CLSPModel"}
    (folder / "config.json").write_text(json.dumps({"model_type": "clsp", "auto_map": code}))
    tokenizer_files(folder)
    return folder


def made() -> Clsp:
    with tempfile.TemporaryDirectory() as folder:
        teacher = load.load_clsp(str(published(Path(folder) / "CLSP", state())))
    teacher.window_s = 2.0  # for speed
    return teacher


@pytest.fixture(scope="module")
def teacher() -> Clsp:
    return made()


class TestContract(TeacherContract):
    kind = "clsp"

    @classmethod
    def make(cls) -> Clsp:
        return made()

    def test_saved_and_loaded_it_is_the_same(self, tmp_path: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tinyclap.teachers.clsp.model.WINDOW_S", 2.0)
            super().test_saved_and_loaded_it_is_the_same(tmp_path)


def test_audio_is_what_the_original_computes(teacher: Clsp) -> None:
    """Each clip at its own length, alone and beside the others."""
    clips = MAKER["waveforms"]()
    lengths = torch.tensor([len(clip) for clip in clips])
    together = teacher.embed_audio(pad_sequence(clips, batch_first=True, padding_value=0.7), lengths)
    np.testing.assert_allclose(together, GOLDEN["audio"], atol=1e-5)
    for clip, wanted in zip(clips, GOLDEN["audio"], strict=True):
        np.testing.assert_allclose(teacher.embed_audio(clip[None])[0], wanted, atol=1e-5)
    assert [teacher.frontend.spec.n_frames(len(clip)) for clip in clips] == GOLDEN["frames"].tolist()


def test_the_encoder_is_the_originals_given_the_same_spectrogram(teacher: Clsp) -> None:
    features = torch.from_numpy(GOLDEN["features"])[None]
    with torch.no_grad():
        np.testing.assert_allclose(teacher.model.frames(features), GOLDEN["encoded"], atol=1e-5)
        np.testing.assert_allclose(teacher.model.audio(features), GOLDEN["audio"][1:2], atol=2e-6)
        exact = copy.deepcopy(teacher.model).double().audio(features.double())
    np.testing.assert_allclose(exact, GOLDEN["audio_float64"], atol=1e-8)  # where no rounding hides a difference


def test_the_original_lets_a_batchs_padding_into_its_shorter_clips() -> None:
    """Which is why ours are compared with what it makes of each alone."""
    apart = np.abs(GOLDEN["audio_in_a_batch"] - GOLDEN["audio"]).max(axis=1)
    assert apart[0] < 1e-6
    assert min(apart[1:]) > 1e-3


def test_text_is_what_the_original_computes(teacher: Clsp) -> None:
    tokens = torch.tensor(MAKER["TOKENS"])
    with torch.no_grad():
        embedded = teacher.model.text(tokens, (tokens != 1).long())
    np.testing.assert_allclose(embedded, GOLDEN["text"], atol=1e-6)
    assert teacher.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert (teacher.sample_rate, teacher.embed_dim) == (16_000, MAKER["JOINT"])


def test_every_tensor_of_the_published_encoder_has_its_place() -> None:
    """599 of the list, by name and shape, in a model of full size without memory."""
    if not KEYS.is_file():
        pytest.skip("the published names lie in shared/anchors, which is not here")
    lines = KEYS.read_text().splitlines()
    _, _, count, _, parameters, *_ = lines[0].split()
    parsed = [re.match(r"(\S+) \(([\d, ]*)\) (\d+)", line) for line in lines[1:]]
    wanted = Counter({(found[1], found[2].replace(" ", "").rstrip(",")): int(found[3]) for found in parsed if found})
    shapes = [(1, 1, 31), (2, 2, 31), (3, 4, 15), (4, 8, 15), (1, 4, 15), (1, 2, 31), (1, 1, 31)]
    stacks = tuple(StackConfig(layers, factor, 8, 32, 4, 12, 3840, kernel) for layers, factor, kernel in shapes)
    config = zipformer.ZipformerConfig(stacks, 1280)
    with torch.device("meta"):
        embed, encoder = zipformer.Embed(128, 1280), zipformer.Zipformer(config)
    own = {f"encoder_embed.{name}": tensor for name, tensor in embed.state_dict().items()}
    own |= {f"encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    unused = {name.replace("norm.bias", "bypass_scale") for name in own if re.search(r"layers\.\d+\.norm\.bias", name)}
    assert all(load.UNUSED.search(name) for name in unused)
    named = {**own, **dict.fromkeys(unused, torch.empty(1280, device="meta"))}
    found: Counter[tuple[str, str]] = Counter()
    for name, tensor in named.items():
        pattern = re.sub(r"layers\.\d+", "layers.J", re.sub(r"encoders\.\d+", "encoders.I", name))
        found[pattern, ",".join(map(str, tensor.shape))] += 1
    assert found == wanted
    assert len(named) == int(count)
    assert sum(tensor.numel() for tensor in named.values()) == int(parameters)
    assert load.speech_config(named) == config  # the shapes alone tell it


def test_weights_take_no_memory_twice() -> None:
    """The loaded tensors are the model's own."""
    weights = state()
    model = load.built(weights, "small")
    assert isinstance(model, ClspModel)
    parameters = dict(model.named_parameters())
    assert all(
        parameters[name].data_ptr() == tensor.data_ptr() for name, tensor in weights.items() if name in parameters
    )
    assert set(weights) - set(parameters) == {name for name in weights if load.UNUSED.search(name)}


def test_short_clips_are_repeated_up_to_a_frame(teacher: Clsp) -> None:
    short = torch.from_numpy(np.random.default_rng(1).uniform(-0.3, 0.3, (1, 700)).astype(np.float32))
    assert SHORTEST == 1360
    torch.testing.assert_close(teacher.embed_audio(short), teacher.embed_audio(short.repeat(1, 2)[:, :SHORTEST]))
    assert torch.isfinite(teacher.embed_audio(short[:, :1])).all()


def test_empty_batches_are_told(teacher: Clsp) -> None:
    with pytest.raises(TinyclapError, match="clip lengths must lie in"):
        teacher.embed_audio(torch.zeros(0, 16_000))
    with pytest.raises(TinyclapError, match="clip lengths must lie in"):
        teacher.embed_audio(torch.zeros(2, 0))
    with pytest.raises(TinyclapError, match=r"got waveforms of shape \(1, 399\).* at least 400 samples \(25 ms\)"):
        teacher.frontend(torch.zeros(1, 399))
    assert teacher.embed_text([]).shape == (0, teacher.embed_dim)


def test_a_gradient_reaches_both_towers() -> None:
    teacher = made().requires_grad_(True).train()
    loss = (teacher.encode_audio(0.1 * torch.randn(2, 4000)) * teacher.encode_text(["rain", "a dog"])).sum()
    loss.backward()
    untouched = [name for name, parameter in teacher.named_parameters() if parameter.grad is None]
    assert untouched == ["model.logit_scale"]
    assert len(teacher.audio_parameters()) + len(teacher.text_parameters()) + 1 == len(list(teacher.parameters()))


@pytest.mark.slow
def test_both_sides_become_graphs(teacher: Clsp, tmp_path: Path) -> None:
    facts = export_tower(teacher, tmp_path / "tower.onnx")
    assert facts["max_abs"] < 1e-5
    session = open_session(tmp_path / "tower.onnx", inputs=["waveform"], output="embedding", providers=None, threads=1)
    for clip, wanted in zip(MAKER["waveforms"](), GOLDEN["audio"], strict=True):
        np.testing.assert_allclose(run(session, {"waveform": clip[None].numpy()})[0], wanted, atol=1e-5)
    text = write_text_side(teacher, tmp_path, ["a dog barking", "rain falls"])
    assert text.difference < 1e-5


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"encoder.encoders.3.encoder.layers.1.norm.bias": None}, r"1 missing \(e\.g\. encoder\.encoders\.3\.encoder"),
        ({"text_encoder.pooler.dense.bias": None}, r"1 missing \(e\.g\. text_encoder\.pooler\.dense\.bias\)"),
        ({"encoder.surprise": torch.zeros(1)}, r"1 unknown \(e\.g\. encoder\.surprise\)"),
        ({"audio_transform.sequential.3.bias": torch.zeros(7)}, r"1 of another shape \(e\.g\. audio_transform"),
        ({"encoder_embed.out.bias": None}, r"not the weights of CLSP: encoder_embed\.out\.bias is missing"),
        ({"encoder.encoders.2.downsample.bias": None}, "not the weights of CLSP: .*2.layers.0.* is missing"),
    ],
)
def test_other_weights_are_refused_by_name(change: dict[str, Tensor | None], told: str) -> None:
    kept = {name: tensor for name, tensor in state().items() if name not in change}
    changed = kept | {name: tensor for name, tensor in change.items() if tensor is not None}
    with pytest.raises(TinyclapError, match=told):
        load.built(changed, "other")


def test_a_folder_without_what_it_needs_is_told_where_to_get_it(tmp_path: Path) -> None:
    folder = published(tmp_path / "CLSP", state())
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    told = (
        rf"files vocab\.json and merges\.txt are not in {folder}, and those of FacebookAI/roberta-base neither in .*"
        r"`hf download FacebookAI/roberta-base vocab\.json merges\.txt` and put them beside model\.safetensors"
    )
    with pytest.raises(TinyclapError, match=told):
        load_teacher("clsp", str(folder))
    (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:7c8c\nsize 9\n")
    with pytest.raises(TinyclapError, match="git"):
        load_teacher("clsp", str(folder))
    (folder / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(TinyclapError, match=r"cannot be read .* download it again"):
        load_teacher("clsp", str(folder))
    (folder / "model.safetensors").unlink()
    with pytest.raises(TinyclapError, match=r"has no model\.safetensors, but config\.json; `hf download yfyeung/CLSP"):
        load_teacher("clsp", str(folder))
    with pytest.raises(TinyclapError, match="there is no such folder"):
        load_teacher("clsp", str(tmp_path / "nowhere"))
    with pytest.raises(TinyclapError, match="hf download yfyeung/CLSP"):
        load_teacher("clsp", "yfyeung/CLSP")
    with pytest.raises(TinyclapError, match="leave original out"):
        load_teacher("clsp", "yfyeung/CLSP", original=True)


def test_a_tokenizer_with_more_words_than_weights_is_refused(tmp_path: Path) -> None:
    weights = state()
    name = "text_encoder.embeddings.word_embeddings.weight"
    folder = published(tmp_path / "CLSP", {**weights, name: weights[name][:100].clone()})
    with pytest.raises(TinyclapError, match="and weights for 100; put FacebookAI/roberta-base's there"):
        load.load_clsp(str(folder))


def test_its_folder_is_told_from_others(tmp_path: Path) -> None:
    assert load.is_clsp("yfyeung/CLSP")
    assert load.is_clsp(str(published(tmp_path / "CLSP", state())))
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert not load.is_clsp(str(tmp_path))
    assert not load.is_clsp("laion/clap-htsat-unfused")


def test_roberta_has_what_its_weights_tell(teacher: Clsp) -> None:
    assert isinstance(teacher.model.text_encoder, RobertaModel)
    assert teacher.model.text_encoder.config.layer_norm_eps == 1e-5
    assert teacher.max_tokens == 64
    with pytest.warns(UserWarning, match=r"a caption of \d+ tokens is cut to 64"):
        teacher.embed_text(["zip rain " * 60])
