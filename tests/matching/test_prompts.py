"""Tables of prompts, and the files that their lines name."""

from pathlib import Path

import pytest

from tinyclap.errors import TinyclapError
from tinyclap.matching.prompts import Prompt, match, read_prompts


def table(folder: Path, text: str, name: str = "prompts.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestReading:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.csv", 'file,prompt\n1.wav,"a dog, barking"\n2.wav,rain\n'),
            ("a.csv", '\ufefffilename,caption,rating\n1.wav,"a dog, barking",3\n2.wav,rain,4\n'),
            ("a.tsv", "id\ttext\n1.wav\ta dog, barking\n2.wav\train\n"),
            ("a.jsonl", '{"path": "1.wav", "prompt": "a dog, barking"}\n\n{"path": "2.wav", "prompt": ["rain"]}\n'),
        ],
    )
    def test_forms(self, tmp_path: Path, name: str, text: str) -> None:
        expected = [Prompt("1.wav", "a dog, barking"), Prompt("2.wav", "rain")]
        assert read_prompts(table(tmp_path, text, name)) == expected

    def test_empty_fields_at_the_end_of_a_line_say_nothing(self, tmp_path: Path) -> None:
        assert read_prompts(table(tmp_path, "file,prompt\n1.wav,dog,,\n")) == [Prompt("1.wav", "dog")]

    def test_columns_by_name_and_numbered_ones(self, tmp_path: Path) -> None:
        path = table(tmp_path, "sound,words,caption\n1,dog,cat\n")
        assert read_prompts(path, "sound", "words") == [Prompt("1", "dog")]
        clotho = table(tmp_path, "file_name,caption_1,caption_2\n1.wav,a dog,a hound\n2.wav,rain,\n")
        assert read_prompts(clotho) == [Prompt("1.wav", "a dog"), Prompt("1.wav", "a hound"), Prompt("2.wav", "rain")]

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("a.csv", "sound,prompt\n1.wav,dog\n", "has no column file or path or filename"),
            ("a.csv", "file,words\n1.wav,dog\n", "there are: file, words. Name yours with --prompt-column"),
            ("a.csv", "file,prompt\n1.wav,dog\n2.wav,\n", "line 3: prompt is empty"),
            ("a.csv", "file,prompt\n,dog\n", "line 2: file is empty"),
            ("a.csv", "file,prompt\n", "holds no prompts"),
            (
                "a.csv",
                "file,prompt\n1.wav,dog barks, rain falls\n",
                "line 2: more fields than columns; put the text in quotes",
            ),
            ("a.tsv", "file\tprompt\n1.wav\train\n2.wav\tdog\tcat\n", "line 3: more fields than columns"),
            ("a.csv", "file,prompt,prompt\n1.wav,dog,cat\n", "name the columns, each once; got file, prompt, prompt"),
            ("a.jsonl", '{"file": "1.wav"\n', "line 1: no JSON"),
            ("a.jsonl", "[1, 2]\n", "line 1: expected an object"),
            ("a.txt", "dog\n", "a table ends in .csv, .tsv, .jsonl"),
        ],
    )
    def test_what_is_none(self, tmp_path: Path, name: str, text: str, told: str) -> None:
        with pytest.raises(TinyclapError) as caught:
            read_prompts(table(tmp_path, text, name))
        assert told in str(caught.value)

    def test_no_text_and_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(TinyclapError, match="there is no file"):
            read_prompts(tmp_path / "none.csv")
        (tmp_path / "latin.csv").write_bytes("file,prompt\n1.wav,caf\xe9\n".encode("latin-1"))
        with pytest.raises(TinyclapError, match="line 2: not UTF-8"):
            read_prompts(tmp_path / "latin.csv")


class TestMatching:
    root = Path("made")
    files = (root / "a" / "1.wav", root / "b" / "1.wav", root / "2.v2.flac", root / "3.wav")

    def found(self, *clips: str) -> list[str]:
        matched = match([Prompt(clip, "x") for clip in clips], self.files, [self.root])
        return [file.relative_to(self.root).as_posix() for file, _ in matched.pairs]

    def test_by_path_name_stem_and_another_suffix(self) -> None:
        assert self.found("a/1.wav", "b/1", "made/3.wav") == ["a/1.wav", "b/1.wav", "3.wav"]
        assert self.found("2.v2.flac", "2.v2", "2.v2.mp3", "3.ogg") == ["2.v2.flac"] * 3 + ["3.wav"]

    def test_what_is_missing_and_what_nobody_names(self) -> None:
        matched = match([Prompt("3", "x"), Prompt("4", "y"), Prompt("4", "z")], self.files, [self.root])
        assert (matched.missing, matched.unmatched) == (["4"], list(self.files[:3]))

    def test_a_name_of_two(self) -> None:
        with pytest.raises(TinyclapError, match=r"1\.wav fits 2 files \(made/a/1\.wav, made/b/1\.wav\)"):
            self.found("1.wav")
