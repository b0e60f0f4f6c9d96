"""A tagger with a sentence encoder: a teacher like any other, and taggers that compute what the originals do."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertModel

from tests.golden.named_weights import values
from tests.support.servers.http_server import Server
from tests.support.teacher_contract import FrozenTeacherContract
from tinyclap.audio.log_mel.emphasised import EmphasisedSpec
from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.models.mobilenet_tagger import MobileNetTagger
from tinyclap.runtime import published_weights
from tinyclap.teachers import load_tagger_teacher, tagger, untrained
from tinyclap.teachers.class_names import AUDIOSET_CLASSES
from tinyclap.teachers.efficientat import EfficientAT, load_efficientat
from tinyclap.teachers.options import Space, TaggerOptions
from tinyclap.teachers.sentence_encoder import SentenceEncoder, load_sentence_encoder
from tinyclap.teachers.tagger import TaggerTeacher

FOLDER = Path(__file__).parents[1] / "golden"
MAKER = runpy.run_path(str(FOLDER / "make_efficientat.py"))
GOLDEN = np.load(FOLDER / "efficientat.npz")


@pytest.fixture(autouse=True, scope="module")
def few_sounds() -> Iterator[None]:
    """Calibration on six sounds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tagger, "CALIBRATION_CLIPS", 6)
        yield


def sentences() -> SentenceEncoder:
    """A text encoder of one layer, whose weights follow from their names."""
    tower = untrained.new_text(AUDIOSET_CLASSES, 32, vocab_size=600, hidden_size=32, layers=1, heads=2)
    encoder = tower.encoder
    assert isinstance(encoder, BertModel)
    made = {name: values(name, tuple(tensor.shape)) for name, tensor in encoder.state_dict().items()}
    encoder.load_state_dict({name: torch.from_numpy(value) for name, value in made.items()})
    return SentenceEncoder(encoder, tower.tokenizer, name="small words", licence="cc0-1.0")


def small_tagger() -> EfficientAT:
    network = MobileNetTagger(MAKER["WIDTH"])
    network.load_state_dict(MAKER["efficientat_state"]())
    return EfficientAT(network, EmphasisedSpec(), "mn01")


def small(space: Space, **settings: Any) -> TaggerTeacher:
    return TaggerTeacher(small_tagger(), sentences(), space=space, **settings)


class OfATagger(FrozenTeacherContract):
    space: Space

    @classmethod
    def make(cls) -> TaggerTeacher:
        return small(cls.space)


class TestTags(OfATagger):
    space = "tags"


class TestNames(OfATagger):
    space = "names"


def test_the_tagger_computes_what_the_original_does() -> None:
    logmel = LogMel(EmphasisedSpec())(MAKER["waveform"]())
    np.testing.assert_allclose(logmel[0, 0, ::20].numpy(), GOLDEN["logmel"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(small_tagger()(MAKER["waveform"]()).numpy(), GOLDEN["logits"], atol=1e-4, rtol=0)


def test_a_file_of_the_published_layout_is_loaded(tmp_path: Path) -> None:
    torch.save(MAKER["efficientat_state"](), tmp_path / "mn01_as_mAP_298.pt")
    loaded = load_efficientat(str(tmp_path / "mn01_as_mAP_298.pt"))
    assert loaded.name == "mn01_as"
    assert torch.equal(loaded(MAKER["waveform"]()), small_tagger()(MAKER["waveform"]()))


@pytest.mark.parametrize(("stem", "hop", "mels"), [("mn10_as_hop_15_mAP_463", 480, 128), ("mn10_as_mels_64", 320, 64)])
def test_the_front_end_follows_from_the_files_name(stem: str, hop: int, mels: int, tmp_path: Path) -> None:
    torch.save(MAKER["efficientat_state"](), tmp_path / f"{stem}.pt")
    spec = load_efficientat(str(tmp_path / f"{stem}.pt")).frontend.spec
    assert (spec.hop_length, spec.n_mels) == (hop, mels)


def test_in_the_space_of_tags_a_text_is_its_nearest_classes() -> None:
    teacher = small("tags")
    text = teacher.embed_text(["the sound of rain"])[0]
    names, mean = teacher.class_names
    cosines = names @ torch.nn.functional.normalize(teacher.text.embed(["the sound of rain"])[0] - mean, dim=-1)
    expected = torch.exp(cosines / teacher.temperature)
    torch.testing.assert_close(text, expected / expected.norm(), atol=1e-6, rtol=0)


def test_in_the_space_of_names_a_sound_is_its_classes_names() -> None:
    teacher = small("names", calibrated=False)
    sound = MAKER["waveform"]().repeat(1, 3)[:, : teacher.window]
    probabilities = teacher.tagger(sound)[0].sigmoid()
    expected = probabilities @ teacher.class_names[0]
    torch.testing.assert_close(teacher.embed_audio(sound)[0], expected / expected.norm(), atol=1e-6, rtol=0)


def test_calibration_takes_away_what_the_tagger_says_of_everything() -> None:
    teacher, plain = small("tags"), small("tags", calibrated=False)
    assert teacher.fingerprint != plain.fingerprint
    assert plain.prior.abs().max() == 0
    assert abs(teacher.prior.mean()) < 1e-6
    assert isinstance(teacher.tagger, EfficientAT)
    with torch.no_grad():
        teacher.tagger.network.classifier.get_parameter("5.bias")[7] += 3.0
    teacher._prior = None
    before = plain.prior[7] - plain.prior.mean()
    assert teacher.prior[7] - before > 2.5


def test_settings_are_part_of_the_fingerprint() -> None:
    made = [small("tags"), small("names"), small("tags", temperature=0.2), small("tags", calibrated=False)]
    assert len({teacher.fingerprint for teacher in made}) == 4
    other = small("tags")
    assert isinstance(other.text.encoder, BertModel)
    with torch.no_grad():
        other.text.encoder.embeddings.word_embeddings.weight[7] += 1
    assert other.fingerprint != made[0].fingerprint
    assert small("tags").fingerprint == made[0].fingerprint


def test_the_fingerprint_does_not_depend_on_texts_read_before() -> None:
    read, fresh = small("tags"), small("tags")
    read.embed_text(["a dog", "rain falls on a roof at night"])
    assert read.fingerprint == fresh.fingerprint


def test_classes_that_the_text_encoder_cannot_tell_apart_are_named() -> None:
    three = small_tagger()
    three.classes = ("Rain", "rain", "Dog")
    three.network.classifier[5] = torch.nn.Linear(128, 3)
    teacher = TaggerTeacher(three, sentences(), calibrated=False)
    with pytest.warns(UserWarning, match="small words cannot tell apart Rain and rain"):
        teacher.embed_text(["a dog"])


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"model": 1}, "no checkpoint of EfficientAT with its usual head.*found model"),
        ([1, 2], "found list"),
        ("other head", "no checkpoint of EfficientAT"),
        ("other classes", "5 classes; AudioSet has 527"),
        ("lacking", "missing"),
        ("no numbers", "1 of its weights hold NaN or infinite numbers, e.g. features.3.block.0.0.weight"),
    ],
)
def test_other_files_are_refused(held: Any, message: str, tmp_path: Path) -> None:
    weights = MAKER["efficientat_state"]()
    if held == "other head":
        held = {name: value for name, value in weights.items() if not name.startswith("classifier")}
    elif held == "other classes":
        held = weights | {"classifier.5.weight": torch.zeros(5, 128), "classifier.5.bias": torch.zeros(5)}
    elif held == "no numbers":
        name = "features.3.block.0.0.weight"
        held = weights | {name: torch.full_like(weights[name], float("nan"))}
    elif held == "lacking":
        held = {name: value for name, value in weights.items() if name != "features.3.block.0.0.weight"}
    torch.save(held, tmp_path / "other.pt")
    with pytest.raises(TinyclapError, match=message):
        load_efficientat(str(tmp_path / "other.pt"))


def test_names_and_files_that_are_not_there_are_refused() -> None:
    with pytest.raises(TinyclapError, match=r"no file missing\.pt"):
        load_efficientat("missing.pt")
    with pytest.raises(TinyclapError, match=r"got 'mn99', allowed: .*mn04_as"):
        load_efficientat("mn99")


def test_a_published_tagger_is_fetched_once(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(MAKER["efficientat_state"](), tmp_path / "mn01.pt")
    server.files["mn01_as_mAP_298.pt"] = (tmp_path / "mn01.pt").read_bytes()
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    monkeypatch.setattr(published_weights, "RELEASE", server.url_of("release"))
    assert load_efficientat("mn01_as").name == "mn01_as"
    assert load_efficientat("mn01_as").name == "mn01_as"
    assert len(server.asked) == 1


def test_another_file_under_a_published_name_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    monkeypatch.setattr(published_weights, "RELEASE", server.url_of("release"))
    with pytest.raises(TinyclapError, match="1,000,000"):
        load_efficientat("mn04_as")
    assert not list((tmp_path / "weights").iterdir())


def test_without_a_network_the_message_says_what_to_fetch_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYCLAP_CACHE", str(tmp_path))
    monkeypatch.setattr(published_weights, "RELEASE", "http://127.0.0.1:9")
    with pytest.raises(TinyclapError) as caught:
        load_efficientat("mn04_as")
    message = str(caught.value)
    for part in ("http://127.0.0.1:9/mn04_as_mAP_432.pt", "4,066,513 bytes", "899a8c62", str(tmp_path / "weights")):
        assert part in message


def test_the_graph_of_the_audio_side_can_be_traced_in_parts() -> None:
    teacher = small("tags")
    parts, clip = teacher.audio_graph(), MAKER["waveform"]().repeat(1, 3)[:, : teacher.window]
    with torch.no_grad():
        torch.testing.assert_close(parts.encoder(parts.frontend(clip)), teacher.embed_audio(clip), atol=1e-6, rtol=0)


class TestSentenceEncoders:
    def saved(self, folder: Path) -> Path:
        made = sentences()
        made.encoder.save_pretrained(folder)
        made.tokenizer.save_pretrained(folder)
        return folder

    def test_mean_pooling_and_the_first_token(self, tmp_path: Path) -> None:
        folder = self.saved(tmp_path)
        by_mean = load_sentence_encoder(str(folder)).embed(["a dog barks"])
        (folder / "1_Pooling").mkdir()
        (folder / "1_Pooling" / "config.json").write_text(
            '{"pooling_mode_cls_token": true, "word_embedding_dimension": 32}'
        )
        loaded = load_sentence_encoder(str(folder))
        tokens = loaded.tokenizer(["a dog barks"], return_tensors="pt")
        hidden = loaded.encoder(tokens["input_ids"], tokens["attention_mask"]).last_hidden_state[0]
        for pooled, expected in ((loaded.embed(["a dog barks"]), hidden[0]), (by_mean, hidden.mean(0))):
            torch.testing.assert_close(pooled[0], expected / expected.norm(), atol=1e-6, rtol=0)

    @pytest.mark.parametrize(
        ("file", "content", "message"),
        [
            ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by pooling_mode_max_tokens"),
            ("modules.json", [{"type": "sentence_transformers.models.Dense"}], "ends with .*Dense"),
        ],
    )
    def test_what_is_not_computed_here_is_refused(
        self, file: str, content: object, message: str, tmp_path: Path
    ) -> None:
        path = self.saved(tmp_path) / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        with pytest.raises(TinyclapError, match=message):
            load_sentence_encoder(str(tmp_path))

    def test_none_is_there(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match=r"teacher\.text .*neither a folder with a transformers encoder"):
            load_sentence_encoder(str(tmp_path / "nothing"))


def test_the_published_tagger_knows_a_sound_by_words(mn04: Path, minilm_root: Path) -> None:
    teacher = load_tagger_teacher(TaggerOptions(str(mn04), str(minilm_root)))
    assert teacher.costs()["parameters"] == 983_599  # 0.983 M in the README of EfficientAT
    phase = 2 * np.pi * np.cumsum(600 + 300 * np.sign(np.sin(2 * np.pi * 0.8 * np.arange(160_000) / 32_000))) / 32_000
    siren = torch.from_numpy((0.3 * np.sin(phase)).astype(np.float32))[None]
    words = class_matrix(lambda t: teacher.embed_text(t).numpy(), ["siren", "dog", "rain", "speech"], teacher.prompts)
    assert (teacher.embed_audio(siren).numpy() @ words.T).argmax() == 0
