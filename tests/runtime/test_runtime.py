"""The runtime: what torch computes, from the file, without torch."""

import dataclasses
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.tiny_bundles import PROMPTS, TINY_LABELS, tiny_bundle, tiny_embed, tiny_text
from tinyclap.audio import files, windows
from tinyclap.audio.files import AudioError
from tinyclap.embeddings.zero_shot import class_matrix
from tinyclap.errors import TinyclapError
from tinyclap.runtime.bundle import Bundle
from tinyclap.runtime.manifest import read_manifest, write_manifest
from tinyclap.runtime.selftest import selftest

RATE = 16_000
PARITY = 1e-4


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bundles")
    return {
        "logmel": tiny_bundle(root / "logmel"),
        "waveform": tiny_bundle(root / "waveform", input_kind="waveform"),
        "full": tiny_bundle(root / "full", text=True, int8=True),
        "bare": tiny_bundle(root / "bare", labels=None),
    }


@pytest.fixture
def bundle(folders: dict[str, Path]) -> Bundle:
    return Bundle.load(folders["logmel"])


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise that changes from second to second."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(0.001, 0.3, int(seconds) + 1), rate)[: round(seconds * rate)]
    return (levels * rng.normal(size=levels.size)).astype(np.float32)


def write(path: Path, samples: np.ndarray, rate: int = RATE, **encoding: str) -> Path:
    soundfile.write(path, samples, rate, **encoding)
    return path


class TestEmbed:
    @pytest.mark.parametrize("kind", ["logmel", "waveform"])
    def test_arrays_of_any_length_as_torch(self, folders: dict[str, Path], kind: str) -> None:
        sounds = [noise(seconds, seed) for seed, seconds in enumerate((0.02, 0.5, 0.99, 1.0, 1.01, 2.0, 3.7))]
        sounds += [np.zeros(RATE, np.float32), np.sign(np.sin(np.arange(20_000) / 9)).astype(np.float32)]
        ours = Bundle.load(folders[kind]).embed(sounds, sample_rate=RATE)
        assert ours.dtype == np.float32
        assert np.abs(ours - tiny_embed(sounds, kind)).max() < PARITY
        np.testing.assert_allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)

    def test_speech_files_of_every_kind_as_torch(self, bundle: Bundle, clsp_root: Path) -> None:
        paths = sorted(clsp_root.glob("*.wav"))
        expected = tiny_embed([files.read(path, RATE) for path in paths])
        assert np.abs(bundle.embed(paths) - expected).max() < PARITY

    @pytest.mark.parametrize(
        ("rate", "channels", "encoding"),
        [(96_000, 1, "PCM_24"), (8_000, 2, "PCM_U8"), (44_100, 2, "PCM_16"), (48_000, 6, "FLOAT")],
    )
    def test_other_rates_channels_and_word_sizes(
        self, bundle: Bundle, tmp_path: Path, rate: int, channels: int, encoding: str
    ) -> None:
        samples = np.stack([noise(2.3, seed, rate) for seed in range(channels)], axis=1)
        path = write(tmp_path / "a.wav", samples, rate, subtype=encoding)
        assert np.abs(bundle.embed(path) - tiny_embed([files.read(path, RATE)])).max() < PARITY
        mixed = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
        np.testing.assert_allclose(bundle.embed(mixed, sample_rate=rate), bundle.embed(path), atol=1e-6)

    def test_one_or_many(self, bundle: Bundle, tmp_path: Path) -> None:
        sound = noise(1.5)
        path = write(tmp_path / "a.wav", sound, subtype="FLOAT")
        single = bundle.embed(sound, sample_rate=RATE)
        assert single.shape == (1, 16)
        for sounds in (path, str(path), [path], np.stack([sound]), [sound], iter([path])):
            np.testing.assert_array_equal(bundle.embed(sounds, sample_rate=RATE), single)
        assert bundle.embed([]).shape == (0, 16)

    def test_a_sound_does_not_depend_on_its_neighbours(self, bundle: Bundle) -> None:
        sounds = [noise(seconds, seed) for seed, seconds in enumerate((0.5, 3.2, 1.0))]
        together = bundle.embed(sounds, sample_rate=RATE)
        for row, sound in enumerate(sounds):
            np.testing.assert_array_equal(bundle.embed(sound, sample_rate=RATE)[0], together[row])

    @pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
    @pytest.mark.parametrize("seconds", [9.0, 9.99, 10.0, 11.0, 12.3, 21.7])
    def test_a_file_read_in_stretches_is_the_file_read_whole(
        self, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, seconds: float
    ) -> None:
        path = write(tmp_path / f"a.{suffix}", noise(seconds, rate=44_100), 44_100)
        whole = files.read(path, RATE)
        expected = np.stack(list(windows.of_array(whole, RATE)))
        monkeypatch.setattr(windows, "STRETCH_S", 5.0)
        np.testing.assert_allclose(np.stack(list(windows.of_file(path, RATE, RATE))), expected, atol=2e-6)
        assert np.abs(bundle.embed(path) - tiny_embed([whole])).max() < PARITY

    def test_an_hour_stays_in_bounded_memory(self, bundle: Bundle, tmp_path: Path) -> None:
        minute = noise(60.0, rate=8_000)
        with soundfile.SoundFile(tmp_path / "long.flac", "w", 8_000, 1) as file:
            for _ in range(60):
                file.write(minute)
        tracemalloc.start()
        try:
            long = bundle.embed(tmp_path / "long.flac")
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak_bytes < 30e6  # float32 of the whole recording takes 230 MB
        short = write(tmp_path / "short.wav", minute, 8_000)
        assert np.abs(long - bundle.embed(short)).max() < 5e-3  # but for the resampling where the minutes meet

    @pytest.mark.parametrize(
        ("samples", "message"),
        [
            (np.zeros(RATE, np.int16), r"an array of int16; expected floats in \[-1, 1\]"),
            (np.zeros((1, 2, RATE)), r"shape \(2, 16000\); expected mono samples"),
            (np.zeros(0), r"an array of shape \(0,\) at 16000 Hz: empty"),
            (np.ones(100), "shorter than 10 ms"),
            (np.full(RATE, np.nan), "NaN or infinite samples"),
        ],
    )
    def test_arrays_that_cannot_be_used(self, bundle: Bundle, samples: np.ndarray, message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            bundle.embed(samples, sample_rate=RATE)

    def test_an_array_needs_its_rate(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="needs its sample rate"):
            bundle.embed(noise(1.0))

    def test_files_that_cannot_be_used(self, bundle: Bundle, tmp_path: Path) -> None:
        empty = write(tmp_path / "empty.wav", np.zeros(0))
        click = write(tmp_path / "click.wav", np.ones(100))
        broken = write(tmp_path / "nan.wav", np.full(RATE, np.nan), subtype="FLOAT")
        for path, reason in ((empty, "empty"), (click, "shorter than 10 ms"), (broken, "NaN"), (tmp_path, "a folder")):
            with pytest.raises(AudioError, match=reason) as caught:
                bundle.embed(path)
            assert caught.value.name == str(path)


class TestClassify:
    def test_probabilities_are_the_softmax_of_scaled_cosines(self, bundle: Bundle) -> None:
        sound = noise(1.0)
        cosines = class_matrix(tiny_text, TINY_LABELS, PROMPTS) @ tiny_embed([sound])[0]
        odds = np.exp(14.0 * cosines)
        found = bundle.classify(sound, sample_rate=RATE)[0]
        assert [entry.label for entry in found] == [TINY_LABELS[row] for row in np.argsort(-cosines)]
        for label, cosine, probability in found:
            row = TINY_LABELS.index(label)
            assert abs(cosine - cosines[row]) < PARITY
            assert abs(probability - odds[row] / odds.sum()) < 1e-3

    def test_the_best_of_each_sound(self, bundle: Bundle) -> None:
        sounds = [noise(1.0, seed) for seed in range(3)]
        every = bundle.classify(sounds, sample_rate=RATE)
        assert [entry[:2] for entry in every] == bundle.classify(sounds, top_k=2, sample_rate=RATE)
        assert [len(entry) for entry in bundle.classify(sounds, top_k=99, sample_rate=RATE)] == [3, 3, 3]
        with pytest.raises(TinyclapError, match="top_k is 0"):
            bundle.classify(sounds, top_k=0, sample_rate=RATE)

    def test_labels_of_the_table_need_no_text_side(self, bundle: Bundle) -> None:
        sound = noise(1.0)
        chosen = bundle.classify(sound, ["Clock-Tick", "dog"], sample_rate=RATE)[0]
        every = {entry.label: entry.cosine for entry in bundle.classify(sound, sample_rate=RATE)[0]}
        assert {entry.label: entry.cosine for entry in chosen} == {
            "Clock-Tick": every["clock tick"],
            "dog": every["dog"],
        }

    def test_other_labels_need_the_text_side(self, folders: dict[str, Path]) -> None:
        message = r"has no text side and no embedding of cow; there are dog, rain, clock tick; export it with `tinyclap"
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["logmel"]).classify(noise(1.0), ["dog", "cow"], sample_rate=RATE)
        with pytest.raises(TinyclapError, match="has no text side and no label table"):
            Bundle.load(folders["bare"]).classify(noise(1.0), ["dog"], sample_rate=RATE)
        with pytest.raises(TinyclapError, match="has no label table; give labels"):
            Bundle.load(folders["bare"]).classify(noise(1.0), sample_rate=RATE)

    def test_the_text_side_embeds_any_label(self, folders: dict[str, Path]) -> None:
        full, labels = Bundle.load(folders["full"]), ["cow", "Siren", "something else"]
        np.testing.assert_allclose(
            full.label_table(labels).embeddings, class_matrix(tiny_text, labels, PROMPTS), atol=1e-6
        )
        cosines = class_matrix(tiny_text, labels, PROMPTS) @ tiny_embed([noise(1.0)])[0]
        found = full.classify(noise(1.0), labels, top_k=1, sample_rate=RATE)[0][0]
        assert (found.label, round(found.cosine, 3)) == (labels[int(cosines.argmax())], round(cosines.max(), 3))

    @pytest.mark.parametrize(("labels", "message"), [([], "none given"), ("dog", "give a list"), (["a", "A"], "both")])
    def test_labels_that_are_none(self, folders: dict[str, Path], labels: list[str], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            Bundle.load(folders["full"]).classify(noise(1.0), labels, sample_rate=RATE)


class TestText:
    def test_padding_does_not_matter(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        texts = ["dog", "the sound of rain", "a cow", *["siren"] * 40]
        embeddings = full.embed_text(texts)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, tiny_text(texts), atol=1e-6)
        assert full.embed_text([]).shape == (0, 16)

    def test_a_long_text_is_cut_with_a_warning(self, folders: dict[str, Path]) -> None:
        full = Bundle.load(folders["full"])
        with pytest.warns(UserWarning, match="a text is cut to 6 tokens: 'dog dog"):
            embedding = full.embed_text(["dog " * 6 + "rain"])
        np.testing.assert_allclose(embedding, tiny_text(["dog " * 6]), atol=1e-6)

    def test_a_bundle_without_a_text_side_says_so(self, bundle: Bundle) -> None:
        with pytest.raises(TinyclapError, match="has no text side; export it with `tinyclap export --text`"):
            bundle.embed_text(["dog"])


class TestStream:
    @pytest.mark.parametrize("block", [1, 160, 7_777, 100_000])
    def test_each_answer_is_the_last_window(self, bundle: Bundle, block: int) -> None:
        sound = noise(2.6) if block > 1 else noise(0.6)
        blocks = (sound[first : first + block] for first in range(0, len(sound), block))
        heard = list(bundle.stream(blocks, hop_s=0.25))
        hops = [0.25 * (hop + 1) for hop in range(int(len(sound) / 4_000))]
        assert [time_s for time_s, _ in heard] == [*hops, len(sound) / RATE], "and what is left of a hop at the end"
        for time_s, embedding in heard:
            end = round(time_s * RATE)
            expected = bundle.embed(sound[max(0, end - RATE) : end], sample_rate=RATE)[0]
            np.testing.assert_allclose(embedding, expected, atol=1e-6)

    def test_a_hop_longer_than_a_window(self, bundle: Bundle) -> None:
        sound = noise(5.0)
        heard = list(bundle.stream([sound], hop_s=2.0))
        assert [time_s for time_s, _ in heard] == [2.0, 4.0, 5.0]
        np.testing.assert_allclose(
            heard[1][1], bundle.embed(sound[3 * RATE : 4 * RATE], sample_rate=RATE)[0], atol=1e-6
        )

    def test_smoothing_is_exponential(self, bundle: Bundle) -> None:
        plain = [embedding for _, embedding in bundle.stream([noise(5.0)])]
        smooth = plain[0].astype(np.float64)
        for expected, (_, embedding) in zip(plain, bundle.stream([noise(5.0)], smoothing=0.7), strict=True):
            smooth = 0.7 * smooth + 0.3 * expected
            np.testing.assert_allclose(embedding, smooth / np.linalg.norm(smooth), atol=1e-6)

    def test_other_rates_and_channels(self, bundle: Bundle) -> None:
        time = np.arange(3 * 48_000) / 48_000
        tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
        blocks = np.split(np.stack([tone, 0 * tone], axis=1), 30)
        _, _, (heard_s, last) = bundle.stream(blocks, sample_rate=48_000)
        assert heard_s == 3.0, "the resampler keeps nothing back"
        expected = bundle.embed(0.5 * tone[:48_000], sample_rate=48_000)[0]
        assert last @ expected > 0.99

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"hop_s": 0.0}, "hop_s is 0.0: it must be at least one sample"),
            ({"hop_s": 1e-6}, "hop_s is 1e-06: it must be at least one sample"),
            ({"hop_s": float("nan")}, "hop_s is nan"),
            ({"smoothing": 1.0}, "smoothing is 1.0: it must be at least 0 and below 1"),
        ],
    )
    def test_settings_are_checked_at_once(self, bundle: Bundle, settings: dict[str, float], message: str) -> None:
        with pytest.raises(TinyclapError, match=message):
            bundle.stream([], **settings)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("block", "message"),
        [
            (np.full(900, np.nan), "a block with NaN or infinite samples"),
            (np.full(900, 1e39), "a block with NaN or infinite samples"),  # in float32
            (np.full(900, 12_000.0), r"a block with a peak of 12000: divide int16 by 32768"),
            (np.ones(900, np.int16), "a block of int16; .* divide int16 by 32768"),
            (np.zeros((2, 2, 2)), r"a block of shape \(2, 2, 2\)"),
            (np.zeros((5, 0)), r"a block of shape \(5, 0\)"),
            ([0.0, 0.1], "a block of list"),
        ],
    )
    def test_blocks_that_cannot_be_used(self, bundle: Bundle, block: np.ndarray, message: str) -> None:
        with pytest.raises(TinyclapError, match=f"stream: {message}"):
            list(bundle.stream([block]))
        if isinstance(block, np.ndarray) and block.ndim == 1:
            with pytest.raises(TinyclapError, match=message.replace("a block", "an array")):
                bundle.embed(block, sample_rate=RATE)

    @pytest.mark.parametrize("rate", [0, -1, float("nan")])
    def test_a_sample_rate_that_is_none(self, bundle: Bundle, rate: int) -> None:
        with pytest.raises(TinyclapError, match=r"sample_rate is .*: it must be above 0, in Hz"):
            list(bundle.stream([noise(1.0)], sample_rate=rate))
        with pytest.raises(TinyclapError, match=r"sample_rate is .*: it must be above 0, in Hz"):
            bundle.embed(noise(1.0), sample_rate=rate)

    def test_what_is_left_of_a_hop_is_heard_too(self, bundle: Bundle) -> None:
        times = [time_s for time_s, _ in bundle.stream([noise(0.3)], hop_s=1.0)]
        assert times == [0.3]
        times = [time_s for time_s, _ in bundle.stream([noise(2.5)], hop_s=1.0)]
        assert times == [1.0, 2.0, 2.5]

    def test_labels_that_cannot_be_told_apart(self, bundle: Bundle) -> None:
        for labels, message in ((["dog", "Dog"], "both read 'dog'"), ([], "labels: none given")):
            with pytest.raises(TinyclapError, match=message):
                bundle.classify(noise(1.0), labels, sample_rate=RATE)


class TestLoad:
    def test_which_graph(self, folders: dict[str, Path]) -> None:
        full = folders["full"]
        assert Bundle.load(full).graph == Bundle.load(full, graph="float").graph == "audio.onnx"
        rounded = Bundle.load(full, graph="int8")
        assert rounded.graph == "audio_int8.onnx"
        difference = np.abs(rounded.embed(noise(1.0), sample_rate=RATE) - tiny_embed([noise(1.0)])).max()
        assert 1e-5 < difference < 0.2
        with pytest.raises(TinyclapError, match="has no int8 graph, it has: float; export it with --int8"):
            Bundle.load(folders["logmel"], graph="int8")

    def test_the_recommended_graph_is_the_default(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["full"], tmp_path / "bundle")
        write_manifest(folder, dataclasses.replace(read_manifest(folder), recommended="audio_int8.onnx"))
        assert Bundle.load(folder).graph == "audio_int8.onnx"

    def test_provider_and_threads_are_told(self, folders: dict[str, Path]) -> None:
        default = Bundle.load(folders["logmel"])
        assert (default.provider, default.threads) == ("CPUExecutionProvider", 1)
        assert Bundle.load(folders["logmel"], threads=2).threads == 2
        for name in ("cpu", "CPUExecutionProvider", ["CPU"]):
            assert Bundle.load(folders["logmel"], providers=name).provider == "CPUExecutionProvider"
        with pytest.raises(TinyclapError, match="threads is 0: it must be 1 or more"):
            Bundle.load(folders["logmel"], threads=0)

    def test_an_absent_provider_is_an_error(self, folders: dict[str, Path]) -> None:
        with pytest.raises(TinyclapError, match=r"provider abacus is not in this onnxruntime; it has .*CPUExecution"):
            Bundle.load(folders["logmel"], providers="abacus")
        with pytest.raises(TinyclapError, match=r"provider \(none\) is not in this onnxruntime"):
            Bundle.load(folders["logmel"], providers=[])

    def test_a_provider_that_does_not_become_active_is_an_error(
        self, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import onnxruntime

        real = onnxruntime.InferenceSession
        there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)
        monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options))
        with pytest.raises(
            TinyclapError, match="CUDAExecutionProvider was asked for and CPUExecutionProvider is active"
        ):
            Bundle.load(folders["logmel"], providers="cuda")

    def test_a_graph_that_onnxruntime_cannot_run(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        (folder / "audio.onnx").write_bytes(b"no graph")
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"audio\.onnx: onnxruntime \d.* cannot run it \("):
            Bundle.load(folder)

    def test_a_graph_of_another_interface(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        shutil.copy(folders["waveform"] / "audio.onnx", folder)
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match="inputs waveform and outputs embedding, expected logmel and embedding"):
            Bundle.load(folder)

    def test_labels_and_rows_that_do_not_fit(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        np.save(folder / "labels.npy", np.zeros((2, 16), np.float32))
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"holds 3 labels and labels\.npy an array of shape \(2, 16\); one row"):
            Bundle.load(folder).classify(noise(1.0), sample_rate=RATE)


class TestSelftest:
    def test_passes_where_it_computes_the_same(self, folders: dict[str, Path]) -> None:
        tests = selftest(folders["full"])
        assert [(test.graph, test.n_inputs, test.passed) for test in tests] == [
            ("audio.onnx", 3, True),
            ("audio_int8.onnx", 3, True),
            ("text.onnx", 2, True),
        ]
        assert max(test.difference or 0.0 for test in tests) < 1e-5

    def test_fails_where_it_does_not(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as vectors:
            wrong = dict(vectors) | {"embedding": -vectors["embedding"]}
        np.savez(folder / "test_vectors.npz", **wrong)
        write_manifest(folder, read_manifest(folders["logmel"]))
        assert not selftest(folder)[0].passed

    def test_int8_is_compared_with_int8(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["full"], tmp_path / "bundle")
        with np.load(folder / "test_vectors.npz") as vectors:
            noise = np.random.default_rng(0).normal(0, 0.02, vectors["embedding_int8"].shape)
            other = vectors["embedding_int8"] + noise.astype(np.float32)
            wrong = dict(vectors) | {"embedding_int8": other / np.linalg.norm(other, axis=1, keepdims=True)}
        np.savez(folder / "test_vectors.npz", **wrong)
        write_manifest(folder, read_manifest(folders["full"]))
        tests = {test.graph: test for test in selftest(folder)}
        cosine = tests["audio_int8.onnx"].cosine
        assert cosine is not None
        assert 0.99 < cosine < 0.999, "close, but not what was exported"
        assert [test.passed for test in tests.values()] == [True, False, True]

    def test_texts_need_their_package(self, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tokenizers", None)
        assert [test.passed for test in selftest(folders["full"])] == [True, True, None]

    def test_needs_test_vectors(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = shutil.copytree(folders["logmel"], tmp_path / "bundle")
        (folder / "test_vectors.npz").unlink()
        write_manifest(folder, read_manifest(folders["logmel"]))
        with pytest.raises(TinyclapError, match=r"has no test_vectors\.npz; export it again"):
            selftest(folder)


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "tokenizers", "safetensors", "onnx"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
"""


def without_torch(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCKED + code, *arguments], capture_output=True, text=True)


@pytest.fixture
def speech(clsp_root: Path) -> Path:
    return clsp_root / "00099.wav"


class TestWithoutTorch:
    def test_a_real_file_is_classified_the_same(self, folders: dict[str, Path], speech: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        done = without_torch(code, "classify", str(speech), "--bundle", str(folders["full"]), "--csv")
        assert (done.returncode, done.stderr) == (0, "")
        cosines = class_matrix(tiny_text, TINY_LABELS, PROMPTS) @ tiny_embed([files.read(speech, RATE)])[0]
        rows = [line.split(",") for line in done.stdout.splitlines()[1:]]
        assert len(rows) == 3
        for file, _, label, cosine, _ in rows:
            assert file == str(speech)
            assert abs(float(cosine) - cosines[TINY_LABELS.index(label)]) < PARITY

    def test_the_other_commands_work_too(self, folders: dict[str, Path], speech: Path, tmp_path: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        bundle, out = str(folders["full"]), tmp_path / "emb.npy"
        assert without_torch(code, "embed", str(speech), "--bundle", bundle, "--out", str(out)).returncode == 0
        assert np.abs(np.load(out) - tiny_embed([files.read(speech, RATE)])).max() < PARITY
        for arguments, told in (
            (["selftest", bundle], "text.onnx: not tested; it needs"),
            (["info", bundle], "16 dimensions"),
            (["listen", "--bundle", bundle, "--file", str(speech), "--json"], '"predictions"'),
        ):
            done = without_torch(code, *arguments)
            assert (done.returncode, done.stderr) == (0, "")
            assert told in done.stdout

    def test_the_text_side_names_its_extra(self, folders: dict[str, Path], speech: Path) -> None:
        code = "from tinyclap.cli.app import main\nmain()"
        done = without_torch(code, "classify", str(speech), "--bundle", str(folders["full"]), "--labels", "cow, siren")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == 'error: the package tokenizers is not installed; run: pip install "tinyclap[text]"\n'
