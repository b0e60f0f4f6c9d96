"""`tinyclap score`, `tinyclap caption` and `tinyclap adapt`: results on stdout, notes on stderr, exit codes."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.commands import RATE, Run
from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.matching.caption_bank import caption_bank
from tinyclap.matching.captions import caption
from tinyclap.matching.clap_score import score
from tinyclap.matching.encoder import bundle_encoder
from tinyclap.matching.prompts import Prompt
from tinyclap.runtime.bundle import Bundle

TEXTS = ("dog", "rain", "the sound of siren", "cow", "clock tick", "dog")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose words need no package."""
    return tiny_bundle(tmp_path_factory.mktemp("spoken") / "bundle", text=True, bert=True)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for number in range(6):
        write(tmp_path / "clips" / f"{number}.wav", noise(1.0, seed=number))
    lines = [f"{number},{text}" for number, text in enumerate(TEXTS)]
    (tmp_path / "prompts.csv").write_text("\n".join(["id,caption", *lines]))
    return tmp_path / "clips"


class TestScore:
    def test_table_json_and_csv(self, run: Run, spoken: Path, clips: Path) -> None:
        prompts = [Prompt(f"{number}", text) for number, text in enumerate(TEXTS)]
        expected = score(bundle_encoder(Bundle.load(spoken)), sorted(clips.iterdir()), prompts, roots=[clips])
        assert expected.score is not None
        arguments = ("score", clips, "--prompts", clips.parent / "prompts.csv", "--bundle", spoken)
        code, out, err = run(*arguments)
        assert (code, err) == (0, "")
        assert out.startswith(f"CLAP score       {expected.score.score:.3f} [")
        assert "6 clips, 5 prompts" in out
        assert "bundle tiny; 16,000 Hz, windows of 1 s, words: the teacher" in out
        worst = min(expected.pairs, key=lambda pair: pair.cosine or 0)
        assert out.split("lowest\n")[1].split()[:2] == [f"{worst.cosine:+.3f}", worst.file]
        code, out, err = run(*arguments, "--json", "--csv", clips.parent / "pairs.csv")
        assert (code, err) == (0, f"{clips.parent / 'pairs.csv'}: 6 lines\n")
        assert json.loads(out) == json.loads(json.dumps(expected.as_object()))
        rows = list(csv.DictReader(io.StringIO((clips.parent / "pairs.csv").read_text())))
        assert [row["prompt"] for row in rows] == list(TEXTS)
        assert [float(row["cosine"]) for row in rows] == pytest.approx(
            [pair.cosine for pair in expected.pairs], abs=1e-6
        )
        assert {row["calibrated"] + row["teacher"] + row["reason"] for row in rows} == {""}

    def test_a_distance_warns_of_few_clips(self, run: Run, spoken: Path, clips: Path) -> None:
        code, out, _ = run("score", clips, "--reference", clips, "--bundle", spoken)
        assert code == 0
        few = "fewer clips than 16 dimensions: too large, take KAD"
        assert out.splitlines()[0] == f"Frechet distance  0.0000, 6 clips to 6 of the reference; {few}"
        assert "CLAP score" not in out

    def test_what_is_missing_is_told_after_the_result(self, run: Run, spoken: Path, clips: Path) -> None:
        (clips / "0.wav").unlink()
        (clips / "1.wav").write_bytes(b"none")
        write(clips / "more.wav", noise(1.0))
        code, out, err = run("score", clips, "--prompts", clips.parent / "prompts.csv", "--bundle", spoken)
        assert code == 1
        assert "4 clips, 4 prompts" in out
        assert f"no prompt        1 files: {clips / 'more.wav'}" in out
        assert err.startswith("error: 1 clips with a prompt are not there: 0; 1 files cannot be used: ")

    def test_a_calibration_of_before(self, run: Run, spoken: Path, clips: Path, tmp_path: Path) -> None:
        result = json.loads(run("score", clips, "--reference", clips, "--bundle", spoken, "--json")[1])
        line = {"slope": 0.5, "intercept": 0.1, "pearson": 0.9, "pearson_ci95": [0.8, 0.95], "spearman": 0.9}
        result["calibration"] = {**line, "error": 0.02, "n_clips": 6}
        (tmp_path / "before.json").write_text(json.dumps(result))
        arguments = ("score", clips, "--prompts", clips.parent / "prompts.csv", "--bundle", spoken)
        told = json.loads(run(*arguments, "--calibration", tmp_path / "before.json", "--json")[1])
        assert told["calibrated"]["score"] == pytest.approx(0.5 * told["score"]["score"] + 0.1)
        assert (
            "0.500 times the score +0.100; correlation 0.900 [0.800, 0.950]"
            in (run(*arguments, "--calibration", tmp_path / "before.json")[1])
        )

        code, _, err = run(*arguments, "--calibration", tmp_path / "before.json", "--clip")
        assert code == 2
        assert "made without --peak and --clip, and the scores here with --clip" in err

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            (["--calibrate", "--calibration", "x.json"], "give one of them"),
            (["--run", "x"], "--run and --bundle exclude each other"),
            (["--teacher", "hf:demo"], "--teacher scores by itself"),
            (["--calibrate", "--teacher", "hf:demo", "--run", "x", "--dim", "4"], "are for a bundle"),
            (["--calibrate"], "no run holds this bundle; name the teacher to calibrate by"),
        ],
    )
    def test_options_that_do_not_go_together(
        self, run: Run, spoken: Path, clips: Path, options: list[str], told: str
    ) -> None:
        arguments = ("score", clips, "--prompts", clips.parent / "prompts.csv", "--bundle", spoken)
        code, _, err = run(*arguments, *options)
        assert code == 2
        assert told in " ".join(err.split())

    @pytest.mark.parametrize("model", [("--run", "nowhere"), ("--teacher", "hf:nowhere")])
    @pytest.mark.parametrize("option", [("--provider", "cpu"), ("--int8",), ("--float",), ("--dim", "4")])
    def test_options_of_graphs_are_for_bundles(
        self, run: Run, clips: Path, model: tuple[str, ...], option: tuple[str, ...]
    ) -> None:
        code, _, err = run("score", clips, "--prompts", clips.parent / "prompts.csv", *model, *option)
        assert code == 2
        assert "--provider, --int8, --float and --dim are for a bundle" in " ".join(err.replace("│", " ").split())

    def test_nothing_to_compare_with(self, run: Run, spoken: Path, clips: Path) -> None:
        code, _, err = run("score", clips, "--bundle", spoken)
        assert (code, err) == (
            2,
            "error: there is nothing to compare the sounds with; give --prompts, --reference or both\n",
        )


class TestCaption:
    @pytest.fixture
    def captions(self, tmp_path: Path) -> Path:
        path = tmp_path / "captions.txt"
        path.write_text("dog\nrain\nthe sound of rain\nsiren\ncow\nzzz\n")
        return path

    def test_text_json_and_csv(self, run: Run, spoken: Path, clips: Path, captions: Path) -> None:
        bundle = Bundle.load(spoken)
        bank = caption_bank(bundle, captions.read_text().split("\n")[:5])
        expected = caption(bundle, clips / "0.wav", bank, 2)
        arguments = ("caption", clips / "0.wav", "--captions", captions, "--bundle", spoken, "-n", 2)
        code, out, err = run(*arguments)
        lines = [f"  {each.cosine:+.3f}  {each.text}" for each in expected.captions]
        assert (code, out) == (0, "\n".join([str(clips / "0.wav"), *lines, ""]))
        assert err == "1 captions left out, no word of which is known: zzz\n"
        told = json.loads(run(*arguments, "--json")[1])
        assert told["captions"] == 5
        (result,) = told["results"]
        assert [each["text"] for each in result["captions"]] == [each.text for each in expected.captions]
        rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv")[1])))
        assert [(row["rank"], row["caption"]) for row in rows] == [
            (str(rank), each.text) for rank, each in enumerate(expected.captions, start=1)
        ]
        assert run(*arguments, "--csv", "--json")[0] == 2

    def test_a_mixture(self, run: Run, spoken: Path, clips: Path, captions: Path) -> None:
        code, out, _ = run("caption", clips / "0.wav", "--captions", captions, "--bundle", spoken, "--mix", 2)
        assert code == 0
        first, *rest = out.splitlines()
        assert first.startswith(f"{clips / '0.wav'}  (together cosine +")
        assert all("  weight " in line for line in rest)

    def test_silence_and_what_is_no_sound(self, run: Run, spoken: Path, clips: Path, captions: Path) -> None:
        silent = write(clips / "0.wav", np.zeros(RATE, np.float32))
        (clips / "1.wav").write_bytes(b"none")
        arguments = ("caption", silent, clips / "1.wav", "--captions", captions, "--bundle", spoken)
        code, out, err = run(*arguments)
        assert (code, out) == (1, f"{silent}\n  silence, or too quiet to tell\n")
        assert err.splitlines()[1] == "error: 1 of 2 files cannot be used:"
        rows = list(csv.DictReader(io.StringIO(run(*arguments, "--csv")[1])))
        assert [row["caption"] for row in rows] == ["", ""]
        assert rows[0]["reason"] == "silence, or too quiet to tell"
        assert "cannot be decoded" in rows[1]["reason"]
        told = json.loads(run(*arguments, "--json")[1])
        assert [len(told[key]) for key in ("results", "bad")] == [1, 1]


class TestAdapt:
    @pytest.fixture
    def examples(self, tmp_path: Path) -> Path:
        for label, hz in (("dog", 300), ("rain", 3000)):
            (tmp_path / "mine" / label).mkdir(parents=True)
            for number in range(3):
                wave = 0.3 * np.sin(2 * np.pi * (hz + 9 * number) * np.arange(RATE) / RATE)
                write(tmp_path / "mine" / label / f"{number}.wav", wave.astype(np.float32))
        return tmp_path / "mine"

    def test_a_bundle_that_classify_takes(
        self, run: Run, spoken: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(examples.parent)
        code, out, err = run("adapt", spoken, "--examples", "mine")
        assert code == 0
        lines = out.splitlines()
        assert lines[0].startswith(
            "labels       2, of 3 examples each; by centroid; a label's words count as 2 examples"
        )
        assert lines[1] == "held out     6 examples, each recording in turn"
        assert lines[2].startswith("accuracy     ")
        assert "the examples add" in lines[3]
        assert lines[-1] == "next         tinyclap classify YOUR_SOUNDS --bundle mine_bundle"
        code, out, err = run("classify", examples / "rain" / "0.wav", "--bundle", "mine_bundle", "--json")
        assert json.loads(out)["results"][0]["predictions"][0]["label"] == "rain"
        code, out, err = run("adapt", spoken, "--examples", "mine")
        assert code == 2
        assert "mine_bundle exists already; replace it with --overwrite" in err
        code, out, err = run(
            "adapt", spoken, "--examples", "mine", "--overwrite", "--json", "--shots", 2, "--method", "linear"
        )
        assert code == 0
        assert json.loads(out)["labels"] == {"dog": 2, "rain": 2}

    def test_what_is_left_out_is_said(self, run: Run, made: Path, examples: Path, tmp_path: Path) -> None:
        (examples / "dog" / "0.wav").write_bytes(b"")
        (examples / "rain").rename(examples / "a door")
        code, _, err = run("adapt", made, "--examples", examples, "--out", tmp_path / "out")
        assert code == 0
        assert f"left out: {examples / 'dog' / '0.wav'}: " in err
        assert "without the labels' words, since bundle" in err
