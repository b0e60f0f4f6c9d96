"""`parity: original`: what the original codes do where ours does better, as far as they do it deterministically."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio

from tests.teachers.test_laion import MAKER as LAION
from tests.teachers.test_laion import checkpoint as laions
from tests.teachers.test_msclap import checkpoint as microsofts
from tests.teachers.test_msclap import state
from tinyclap.config.load_recipe import load_recipe
from tinyclap.config.teachers import ClapTeacher
from tinyclap.data.decoded import decode
from tinyclap.data.folder import folder
from tinyclap.data.procedural.dataset import Procedural
from tinyclap.errors import TinyclapError
from tinyclap.teachers import load_teacher
from tinyclap.teachers.hf import HFTeacher
from tinyclap.teachers.laion import load_laion
from tinyclap.teachers.msclap import MSClap
from tinyclap.teachers.msclap_audio import AsMsclap

RATE = 44_100


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """A stereo file of 0.5 s at another rate, and a mono one."""
    rng = np.random.default_rng(0)
    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds" / "a.wav", 0.3 * rng.uniform(-1, 1, (8_000, 2)), 16_000, subtype="FLOAT")
    soundfile.write(tmp_path / "sounds" / "b.wav", 0.3 * rng.uniform(-1, 1, 22_050), RATE, subtype="FLOAT")
    return tmp_path / "sounds"


def test_msclap_hears_one_channel_after_the_other(sounds: Path) -> None:
    heard = decode(AsMsclap(folder(sounds), RATE), RATE)
    stereo, _ = soundfile.read(sounds / "a.wav", dtype="float32", always_2d=True)
    transform = torchaudio.transforms.Resample(16_000, RATE)  # msclap's lines: resample, then flatten
    wanted = transform(torch.from_numpy(stereo.T.copy())).reshape(-1)
    np.testing.assert_allclose(heard.waveform(0), wanted, atol=2e-5)  # 16 bits are kept of it
    assert len(heard.waveform(1)) == 22_050
    mixed = decode(folder(sounds), RATE)
    assert mixed.fingerprint != heard.fingerprint
    assert len(heard.waveform(0)) == 2 * len(mixed.waveform(0))
    np.testing.assert_array_equal(mixed.waveform(1), heard.waveform(1))


def test_generated_sounds_have_one_channel_anyway() -> None:
    sounds = Procedural(2, duration_s=0.5)
    heard = decode(AsMsclap(sounds, RATE), RATE)
    np.testing.assert_array_equal(heard.waveform(1), decode(sounds, RATE).waveform(1))


def test_a_long_file_is_cut_as_any_other(sounds: Path) -> None:
    heard = decode(AsMsclap(folder(sounds), RATE), RATE, max_clip_s=0.4)
    assert [round(window.duration_s, 2) for window in heard.windows if window.clip == 0] == [0.4, 0.4, 0.2]


def test_msclap_reads_so_only_when_asked(tmp_path: Path, sounds: Path) -> None:
    path = str(microsofts(tmp_path, "2023", state("2023")))
    ours, original = load_teacher("msclap", path), load_teacher("msclap", path, original=True)
    assert isinstance(original, MSClap)
    data = folder(sounds)
    assert ours.prepare_dataset(data) is data
    assert isinstance(original.prepare_dataset(data), AsMsclap)
    assert ours.fingerprint != original.fingerprint
    long = ["rain falls " * 60]  # 122 tokens, which msclap does not cut
    with pytest.warns(UserWarning, match="is cut to 77"):
        cut = ours.embed_text(long)
    assert not torch.allclose(original.embed_text(long), cut, atol=1e-4)


def test_laions_waveforms_are_rounded_to_16_bits(tmp_path: Path) -> None:
    path = str(laions(tmp_path, LAION["laion_state"]()))
    ours, original = load_teacher("laion", path), load_teacher("laion", path, original=True)
    quiet = 1e-4 * LAION["waveform"]()
    # laion_clap's float32_to_int16 and int16_to_float32.
    steps = (np.clip(quiet.numpy(), -1.0, 1.0) * 32767.0).astype(np.int16)
    rounded = torch.from_numpy((steps / 32767.0).astype(np.float32))
    torch.testing.assert_close(original.embed_audio(quiet), ours.embed_audio(rounded), atol=1e-6, rtol=0)
    assert (original.embed_audio(quiet) - ours.embed_audio(quiet)).abs().max() > 1e-4
    assert ours.fingerprint != original.fingerprint


def test_transformers_epsilon_and_long_captions_can_be_had(tmp_path: Path) -> None:
    """As published, with a configuration that omits the epsilon: 7e-5 apart, as from the original's weights."""
    teacher = load_laion(str(laions(tmp_path, LAION["laion_state"]())))
    teacher.save_pretrained(tmp_path / "clap", "---\nlicense: cc0-1.0\n---\n")
    config = tmp_path / "clap" / "config.json"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if "layer_norm_eps" not in line))
    ours, original = (load_teacher("hf", str(tmp_path / "clap"), original=flag) for flag in (False, True))
    assert isinstance(ours, HFTeacher)
    assert isinstance(original, HFTeacher)
    text = [[norm.eps for norm in one.modules() if isinstance(norm, torch.nn.LayerNorm)] for one in
            (ours.model.text_model, original.model.text_model)]  # fmt: skip
    assert (set(text[0]), set(text[1])) == ({1e-5}, {1e-12})
    assert (ours.max_tokens, original.max_tokens) == (77, 80)
    assert ours.fingerprint != original.fingerprint


def test_a_recipe_asks_for_it(tmp_path: Path) -> None:
    recipe = load_recipe("esc50_msclap2022", ["teacher.parity=original"], task="distill")
    assert isinstance(recipe.teacher, ClapTeacher)
    assert recipe.teacher.parity == "original"
    with pytest.raises(TinyclapError, match="allowed: null with kind: dual"):
        load_recipe("esc10", ["teacher.parity=original"], task="distill")
    with pytest.raises(TinyclapError, match=r"teacher\.parity"):
        load_recipe("esc50_msclap2022", ["teacher.parity=theirs"], task="distill")
