"""Texts of one's own: every form of file, and the message for every other."""

import json
from pathlib import Path

import pytest

from tinyclap.data.texts.corpus import build_corpus
from tinyclap.data.texts.files import LabelList, TextFile
from tinyclap.errors import TinyclapError

Said = list[tuple[str, str, str]]


def said(path: Path) -> Said:
    return [(one.text, one.meaning, one.group) for one in TextFile(str(path)).captions()]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_text_a_line(tmp_path: Path, mark: bytes) -> None:
    file = write(tmp_path / "mine.txt", mark + "dog\n\n  a dog barks in the yard \r\nGrille-pain à café\n".encode())
    assert said(file) == [
        ("dog", "dog", "names"),
        ("a dog barks in the yard", "a dog barks in the yard", "captions"),
        ("Grille-pain à café", "Grille-pain à café", "names"),
    ]


FRENCH = [
    ("a dog barks in the yard", "a dog barks in the yard", "captions"),
    ("un chien aboie, loin", "a dog barks in the yard", "translations"),
    ("rain", "rain", "names"),
]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", 'id,caption,translation\n1,a dog barks in the yard,"un chien aboie, loin"\n,,\n2,rain,\n'),
        (
            "t.CSV",
            "caption ,\ufefftranslation,x\n".replace("\ufeff", "")
            + 'a dog barks in the yard,"un chien aboie, loin"\nrain\n',
        ),
        ("t.tsv", "translation\tcaption\nun chien aboie, loin\ta dog barks in the yard\n\train\n"),
        (
            "t.jsonl",
            '{"caption": "a dog barks in the yard", "translation": "un chien aboie, loin"}\n\n{"caption": ["rain"]}\n',
        ),
    ],
)
def test_a_translation_gets_the_meaning_of_its_caption(tmp_path: Path, name: str, content: str) -> None:
    assert said(write(tmp_path / name, content)) == FRENCH


def test_labels_are_names_however_long_and_captions_go_before_labels(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.csv", "label,text\nthe call of a bird at night,x\n")
    assert said(labels) == [("the call of a bird at night",) * 2 + ("names",)]
    both = write(tmp_path / "both.jsonl", '{"text": "b", "caption": "c"}\n')
    assert said(both)[0][0] == "c"


def test_a_list_of_labels_is_given_as_typed_and_as_words() -> None:
    corpus = build_corpus([LabelList(("dog_bark", "iPhone ringing", "rain"))])
    assert [one.text for one in corpus.captions] == [
        "dog_bark",
        "dog bark",
        "iPhone ringing",
        "i phone ringing",
        "rain",
    ]
    assert corpus.groups == {"names": 5}


def test_licence_and_name_are_the_users(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.txt", "dog\n")
    assert build_corpus([TextFile(str(file), licence="CC0")]).licences == {str(file): "CC0"}
    assert TextFile(str(file)).licence == "unknown"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "holds no text"),
        ("a.txt", "\n \n", "holds no text"),
        ("a.txt", b"dog\ncaf\xe9\n", "a.txt, line 2: not UTF-8"),
        ("a.txt", "dog\n".encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        ("a.txt", b"RIFF\0\0\0", "is no text file"),
        ("a.doc", "dog\n", r"a\.doc: a file of texts ends in \.txt, \.csv, \.tsv, \.jsonl, \.ndjson"),
        ("a.csv", "", "the first line must name the columns, each once; got $"),
        ("a.csv", "sound,name\nrain,x\n", "has no column caption, label or text; it has sound, name"),
        ("a.csv", "caption,caption\nrain,x\n", "the first line must name the columns, each once; got caption, caption"),
        ("a.csv", "caption\n", "holds no text"),
        ("a.csv", "caption\na dog barks, rain falls\n", "line 2: more fields than columns; put the text in quotes"),
        ("a.csv", 'caption,x\nrain,1\n,2\nb,3\n" ",4\n', 'line 3: caption must be a text, got "", line 5: caption'),
        ("a.csv", 'caption\n"rain\n', "line 2: unexpected end of data"),
        ("a.csv", f"caption\n{'x' * 200_000}\n", "line 2: field larger than field limit"),
        ("a.jsonl", '{"caption": "rain"}\n{"caption": \n', "line 2: no JSON"),
        ("a.jsonl", '"rain"\n', "line 1: expected an object such as"),
        ("a.jsonl", '{"caption": 3}\n', "line 1: caption must be a text, got 3"),
        ("a.jsonl", '{"caption": "a"}\n{"label": "b"}\n', "line 2: caption must be a text, got null"),
        ("a.jsonl", '{"caption": []}\n', r"line 1: caption must be a text, got \[\]"),
        ("a.jsonl", '{"caption": "a", "translation": 1}\n', "line 1: translation must be a text, got 1"),
        ("a.jsonl", '{"name": "a"}\n', "has no column caption, label or text; it has name"),
        ("a.jsonl", "\n", "holds no text"),
        ("a.jsonl", '{"caption": ' + "[" * 90 + "]" * 90 + "}\n", "line 1: no JSON: nested too deeply"),
        ("a.txt", "version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_and_line(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(TinyclapError, match=message) as caught:
        said(write(tmp_path / name, content))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_many_faults_make_a_short_message(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", "".join(json.dumps({"caption": number}) + "\n" for number in range(100)))
    with pytest.raises(TinyclapError, match=r"line 5: caption must be a text, got 4 and 95 more$"):
        said(file)


def test_no_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"there is no file .*none\.txt; give a \.txt, \.csv"):
        said(tmp_path / "none.txt")
    with pytest.raises(TinyclapError, match=r"is a folder; give the file, a \.txt"):
        said(tmp_path)
    with pytest.raises(TinyclapError, match=r"labels = .*must be"):
        LabelList(())


def test_a_lone_surrogate_of_json_is_left_out_of_a_text(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", '{"caption": "rain \\ud800 falls"}\n')
    corpus = build_corpus([TextFile(str(file))])
    assert corpus.captions[0].text.split() == ["rain", "falls"]
