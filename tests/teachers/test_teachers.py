"""What every teacher promises, and what is particular to each kind."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

from tests.support.teacher_contract import CAPTIONS, CARD, TeacherContract
from tests.support.tiny import tiny_clap
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.phinet_config import PhiNetConfig
from tinyclap.models.student_config import StudentConfig
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers import base, load_teacher, untrained
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.teachers.dual.load import load_dual
from tinyclap.teachers.dual.towers import Head, TextTower
from tinyclap.teachers.hf import HFTeacher, load_hf

TEXT: dict[str, Any] = {"vocab_size": 300, "hidden_size": 32, "layers": 1, "heads": 2}
SPEC = FrontendSpec(sample_rate=8000, n_fft=512, win_length=512, hop_length=256, n_mels=32, f_max=4000)


def make_hf() -> HFTeacher:
    return tiny_clap(CAPTIONS, embed_dim=24)


def make_dual(
    audio: StudentConfig | tuple[FrontendSpec, float | VitConfig, Head], text: TextTower | None = None
) -> TrainableTeacher:
    torch.manual_seed(0)
    tower = text or untrained.new_text(CAPTIONS, 24, **TEXT)
    return untrained.new_dual(
        audio, tower, embed_dim=24, window_s=2.0, prompts=("a {}.",), logit_scale=14.0, name="pair"
    ).eval()


PHINET = StudentConfig(SPEC, PhiNetConfig(alpha=0.2), embed_dim=24, features=32, window_s=2.0)


class TestHF(TeacherContract):
    kind = "hf"

    @classmethod
    def make(cls) -> TrainableTeacher:
        return make_hf()


class TestDualPhiNet(TeacherContract):
    kind = "dual"

    @classmethod
    def make(cls) -> TrainableTeacher:
        return make_dual(PHINET)


class TestDualCnn14(TeacherContract):
    kind = "dual"

    @classmethod
    def make(cls) -> TrainableTeacher:
        return make_dual((SPEC, 1 / 16, Head()))


class TestDualProjections(TeacherContract):
    """The heads of Microsoft's CLAP in both towers, and captions cut to fewer tokens."""

    kind = "dual"

    @classmethod
    def make(cls) -> TrainableTeacher:
        torch.manual_seed(0)
        text = untrained.new_text(CAPTIONS, 24, **TEXT, head=Head("projection"))
        tower = TextTower(text.encoder, text.tokenizer, 24, frozen=True, head=Head("projection", 0.3), max_tokens=12)
        return make_dual((SPEC, 1 / 16, Head("projection")), tower)


class TestDualFrozenText(TeacherContract):
    """A frozen encoder of the shared space's own width is used as it is."""

    kind = "dual"

    @classmethod
    def make(cls) -> TrainableTeacher:
        torch.manual_seed(0)
        text = untrained.new_text(CAPTIONS, 24, **{**TEXT, "hidden_size": 24})
        return make_dual(PHINET, type(text)(text.encoder, text.tokenizer, 24, frozen=True))


class TestDemo(TeacherContract):
    kind = "hf"

    @classmethod
    def make(cls) -> TrainableTeacher:
        return load_hf("demo")

    def test_it_is_small_and_as_wide_as_laions(self, teacher: TrainableTeacher) -> None:
        from importlib import resources

        folder = Path(str(resources.files("tinyclap") / "assets" / "demo_teacher"))
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 4e6
        assert (teacher.embed_dim, teacher.sample_rate, teacher.window_s) == (512, 48_000, 10.0)
        assert teacher.licence == "apache-2.0"


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\ntags: [a]\n---\n# A model\n", "mit"),
        ('---\nlicense: "cc-by-4.0"\n---\n', "cc-by-4.0"),
        ("---\nlicense: other\nlicense_name: Research only\n---\n", "Research only"),
        ("---\nlicense: other\n---\n", "other"),
        ("---\ntags: [a]\n---\nlicense: of another part\n", "unknown"),
        ("---\n- a\n---\n", "unknown"),
        ("---\nlicense: [mit\n---\n", "unknown"),
        ("# A model\n", "unknown"),
        (None, "unknown"),
    ],
)
def test_the_licence_is_that_of_the_cards_front_matter(card: str | None, licence: str, tmp_path: Path) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert base.licence_of(str(tmp_path)) == licence


@pytest.mark.parametrize("padding", ["repeat", "repeatpad", "pad"])
def test_front_end_is_clap_feature_extractors(padding: str) -> None:
    teacher = make_hf()
    teacher.extractor.padding = padding
    rng = np.random.default_rng(0)
    for seconds in (0.7, 4.0, 5.0, 10.0):
        clip = (0.2 * rng.standard_normal(round(48_000 * seconds))).astype(np.float32)
        theirs = teacher.extractor(clip, sampling_rate=48_000, return_tensors="pt")["input_features"]
        padded = torch.from_numpy(clip)
        mine = teacher.frontend((padded if len(padded) == teacher.window else teacher.pad(padded))[None])
        audible = theirs > -60  # below, in the frames that touch padded silence, float32 rounds both at will
        assert audible.float().mean() > 0.05
        torch.testing.assert_close(mine[audible], theirs[audible], atol=1e-3, rtol=0)


def test_omitted_layer_norm_eps_is_robertas(tmp_path: Path) -> None:
    make_hf().save_pretrained(tmp_path / "stated", CARD)
    assert load_hf(str(tmp_path / "stated")).model.text_model.embeddings.LayerNorm.eps == 1e-5
    config = json.loads((tmp_path / "stated" / "config.json").read_text())
    for written, expected in (({}, 1e-5), ({"layer_norm_eps": 1e-12}, 1e-12)):
        config["text_config"].pop("layer_norm_eps", None)
        config["text_config"].update(written)
        (tmp_path / "stated" / "config.json").write_text(json.dumps(config))
        assert load_hf(str(tmp_path / "stated")).model.text_model.embeddings.LayerNorm.eps == expected


def test_fusion_is_refused(tmp_path: Path) -> None:
    teacher = make_hf()
    teacher.extractor.truncation = "fusion"
    teacher.save_pretrained(tmp_path / "fused", CARD)
    with pytest.raises(TinyclapError, match="feature fusion"):
        load_hf(str(tmp_path / "fused"))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    make_hf().save_pretrained(tmp_path / "deep", CARD)
    config = json.loads((tmp_path / "deep" / "config.json").read_text())
    config["audio_config"]["depths"] = [1, 2]  # as the converter that lost six blocks, LAION-AI/CLAP#126
    (tmp_path / "deep" / "config.json").write_text(json.dumps(config))
    with pytest.raises(TinyclapError, match="missing"):
        load_hf(str(tmp_path / "deep"))


@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sampling_rate", 0, "front end: sample_rate = 0 is not allowed; it must be a whole number above 0"),
        ("feature_size", 32, "makes 32 bands and 1001 frames, but .* takes 64 bands and 2 to 1024 frames"),
        ("max_length_s", 20, "makes 64 bands and 2001 frames"),
    ],
)
def test_a_front_end_that_is_not_the_towers_is_refused(key: str, value: int, message: str, tmp_path: Path) -> None:
    make_hf().save_pretrained(tmp_path, CARD)
    stated = json.loads((tmp_path / "preprocessor_config.json").read_text()) | {key: value}
    if key == "max_length_s":
        stated["nb_max_samples"] = value * 48_000
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    with pytest.raises(TinyclapError, match=rf"teacher {tmp_path}: preprocessor_config\.json.*{message}"):
        load_hf(str(tmp_path))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"teacher /nix/nix: there is no such folder; set teacher\.source"):
        load_hf("/nix/nix")
    with pytest.raises(TinyclapError, match=r"laion/clap-htsat-unfused.*hf download"):
        load_hf("laion/clap-htsat-unfused")  # the tests are offline
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(TinyclapError, match="model_type is 'bert'"):
        load_hf(str(tmp_path))
    with pytest.raises(TinyclapError, match="tinyclap pretrain"):
        load_dual(str(tmp_path / "nothing"))
    with pytest.raises(TinyclapError, match="format is None"):
        load_dual(str(tmp_path))


def test_a_damaged_pair_is_refused(tmp_path: Path) -> None:
    make_dual((SPEC, 1 / 16, Head())).save_pretrained(tmp_path / "pair", CARD)
    weights = tmp_path / "pair" / "cnn14.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(TinyclapError, match="damaged or incomplete"):
        load_dual(str(tmp_path / "pair"))


def test_over_long_captions_are_cut_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="cut to 77"):
        make_hf().embed_text(["rain " * 200])


def test_a_sentence_encoder_serves_as_it_is(minilm_root: Path) -> None:
    """Frozen and of the shared space's width: sentence-transformers' own vectors, mean-pooled and unit norm."""
    from transformers import AutoModel, AutoTokenizer

    tower = untrained.pretrained_text(str(minilm_root), 384, frozen=True)
    mine = tower(CAPTIONS)
    encoder, tokenizer = AutoModel.from_pretrained(minilm_root), AutoTokenizer.from_pretrained(minilm_root)
    with torch.no_grad():
        pooled = [encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state.mean(1)[0] for text in CAPTIONS]
    theirs = torch.nn.functional.normalize(torch.stack(pooled), dim=-1)
    torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=0)
    dog, puppy, rain = tower(["a dog barks", "a puppy is barking", "heavy rain"])
    assert dog @ puppy > 0.6 > 0.4 > dog @ rain


@pytest.mark.parametrize("kind", ["hf", "dual", "text.source"])
def test_a_missing_tokenizer_is_named(kind: str, tmp_path: Path) -> None:
    teacher, folder = make_hf() if kind == "hf" else make_dual(PHINET), tmp_path / "teacher"
    teacher.save_pretrained(folder, CARD)
    text = folder if kind == "hf" else folder / "text"
    for file in text.glob("*token*"):
        file.unlink()
    load = {
        "hf": lambda: load_hf(str(folder)),
        "dual": lambda: load_dual(str(folder)),
        "text.source": lambda: untrained.pretrained_text(str(text), 24, frozen=True),
    }[kind]
    with pytest.raises(TinyclapError, match=r"5 tokens, reads 'dog' and 'rain' both as .* copy the tokenizer's files"):
        load()


def test_an_encoder_whose_tokenizer_cannot_pad_is_refused(tmp_path: Path) -> None:
    tower = untrained.new_text(CAPTIONS, 24, **TEXT)
    tower.encoder.save_pretrained(tmp_path / "text")
    tower.tokenizer.pad_token = None
    tower.tokenizer.save_pretrained(tmp_path / "text")
    with pytest.raises(TinyclapError, match=r"text\.source .*text: its tokenizer has no padding token"):
        untrained.pretrained_text(str(tmp_path / "text"), 24, frozen=True)


def test_a_damaged_installation_of_the_demo_teacher_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyclap.teachers.hf.resources.files", lambda _: tmp_path)
    with pytest.raises(TinyclapError, match="the installation is damaged, install tinyclap again"):
        load_hf("demo")


def test_tokenizer_spells_any_text() -> None:
    tokenizer = untrained.train_tokenizer(CAPTIONS, 300)
    spelled = tokenizer.decode(tokenizer("Ein Übungs-Satz 你好")["input_ids"], skip_special_tokens=True)
    assert str(spelled).strip() == "ein übungs-satz 你好"
    with pytest.raises(TinyclapError, match="at least 261"):
        untrained.train_tokenizer(CAPTIONS, 100)


@pytest.mark.slow
def test_full_size_laion_layout(laion_config_root: Path, tmp_path: Path) -> None:
    """The published configuration with random weights: ours equals transformers' own preprocessing and towers."""
    torch.manual_seed(0)
    written = json.loads((laion_config_root / "config.json").read_text())
    tokenizer = untrained.train_tokenizer(CAPTIONS, 400)
    extractor = ClapFeatureExtractor.from_pretrained(laion_config_root)
    model = ClapModel(ClapConfig.from_dict(written)).eval()
    ClapProcessor(extractor, tokenizer).save_pretrained(tmp_path)
    extractor.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text((laion_config_root / "config.json").read_text())
    teacher = load_hf(str(tmp_path))
    clip = (0.1 * np.random.default_rng(0).standard_normal(5 * 48_000)).astype(np.float32)
    features = extractor(clip, sampling_rate=48_000, return_tensors="pt")
    with torch.no_grad():
        theirs = model.get_audio_features(**features).pooler_output
        tokens = tokenizer(CAPTIONS, padding=True, return_tensors="pt")
        for module in model.text_model.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.eps = 1e-5
        text = model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    assert teacher.embed_dim == 512
    torch.testing.assert_close(teacher.embed_audio(torch.from_numpy(clip)[None]), theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(teacher.embed_text(CAPTIONS), text.pooler_output, atol=1e-5, rtol=0)


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(
        TinyclapError, match="kind 'clap' is not known; allowed: hf, laion, msclap, clsp, naflexclap, dual"
    ):
        load_teacher("clap", "somewhere")
    with pytest.raises(TinyclapError, match="a dual teacher has no other original"):
        load_teacher("dual", "somewhere", original=True)


def test_a_teachers_folder_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make_hf().save_pretrained(tmp_path / "teacher", CARD)
    assert load_teacher("hf", "~/teacher").embed_dim == make_hf().embed_dim
