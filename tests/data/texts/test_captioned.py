"""Captions of published data sets, with and without their sound."""

import json
import re
from pathlib import Path

import pytest

from tests.support import published
from tests.support.dataset_contract import write_tone
from tinyclap.data.folder import folder
from tinyclap.data.manifest import manifest
from tinyclap.data.published.audiocaps import audiocaps
from tinyclap.data.published.clotho import clotho
from tinyclap.data.published.fsd50k import fsd50k
from tinyclap.data.published.macs import macs
from tinyclap.data.texts.captioned import CaptionFile, ClipCaptions
from tinyclap.data.texts.corpus import build_corpus
from tinyclap.errors import TinyclapError

AUDIOCAPS = 'audiocap_id,youtube_id,start_time,caption\n1,abc,30,"Rain falls, then a dog barks"\n2,abc,30,Rain\n'
CLOTHO = "file_name,caption_1,caption_2,caption_3,caption_4,caption_5\nr.wav,a,b,c,d,e\n"
WAVCAPS = {"num_captions_per_audio": 1, "data": [{"id": "1", "caption": "A bell rings."}, {"caption": "Wind blows."}]}


def said(path: Path) -> list[str]:
    return [caption.text for caption in CaptionFile(str(path)).captions()]


@pytest.mark.parametrize(
    ("name", "content", "captions", "source", "licence"),
    [
        ("train.csv", AUDIOCAPS, ["Rain falls, then a dog barks", "Rain"], "AudioCaps", "MIT"),
        ("dev.csv", CLOTHO, ["a", "b", "c", "d", "e"], "Clotho", "Tampere University .*non-commercial"),
        ("fsd_final.json", json.dumps(WAVCAPS), ["A bell rings.", "Wind blows."], "WavCaps", "academic uses only"),
        ("sb_final.json", json.dumps(WAVCAPS["data"]), ["A bell rings.", "Wind blows."], "WavCaps", "academic"),
        ("MACS.yaml", published.macs_annotations("a.wav"), ["a dog", "people talk", "a dog"], "MACS", "5114771"),
    ],
)
def test_a_file_of_captions_says_itself_of_which_data_set_it_is(
    tmp_path: Path, name: str, content: str, captions: list[str], source: str, licence: str
) -> None:
    file = tmp_path / name
    file.write_text(content)
    assert said(file) == captions
    corpus = build_corpus([CaptionFile(str(file))])
    ((named, of),) = corpus.licences.items()
    assert named == f"{source} ({file})"
    assert [*corpus.counts.values()] == [len(set(captions))]
    assert re.search(licence, of)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "caption,label\nrain,x\n",
            "has the columns caption, label; expected youtube_id, caption .AudioCaps.",
        ),
        ("a.csv", AUDIOCAPS + "3,abc,10,\n", "line 4: no caption"),
        ("a.csv", CLOTHO + "s.wav,a,b\n", "line 3: no caption_3, line 3: no caption_4"),
        ("a.csv", AUDIOCAPS.splitlines()[0], "holds no caption"),
        ("a.csv", AUDIOCAPS.encode() + b"3,abc,1,\xff\n", "line 4: not UTF-8"),
        ("a.json", "{", "is no JSON"),
        ("a.json", '{"captions": []}', "is not of WavCaps"),
        ("a.json", '{"data": []}', "holds no caption"),
        ("a.json", '{"data": [{"caption": "a"}, {"caption": null}, 3]}', "no text as caption in entry 2, 3 of 3"),
        ("a.yaml", "files: [", "is no YAML"),
        ("a.yaml", "files: {a: b}", r"is not MACS\.yaml"),
        ("a.yaml", "files: [{annotations: 3}]", r"is not MACS\.yaml"),
        ("a.yaml", "files: [{annotations: [{sentence: 3}]}]", "no text as sentence in entry 1 of 1"),
        ("a.yaml", "dog", r"is not MACS\.yaml"),
        ("a.yml", "files: []", "holds no caption"),
        ("a.txt", "rain", "is none of captions of AudioCaps or Clotho .*; for a list of your own give kind: file"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TinyclapError, match=message) as caught:
        said(file)
    assert str(file) in str(caught.value)


def test_no_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"there is no file .*none\.csv; give captions of AudioCaps"):
        said(tmp_path / "none.csv")
    with pytest.raises(TinyclapError, match="is a folder; give the file, captions of AudioCaps"):
        said(tmp_path)


def test_captions_of_data_sets_whose_sound_is_there(tmp_path: Path) -> None:
    sources = [
        ClipCaptions(audiocaps(published.write_audiocaps(tmp_path / "audiocaps"))),
        ClipCaptions(clotho(published.write_clotho(tmp_path / "clotho"))),
        ClipCaptions(macs(published.write_macs(tmp_path / "macs"))),
        ClipCaptions(fsd50k(published.write_fsd50k(tmp_path / "fsd50k"))),
    ]
    corpus = build_corpus(sources)
    assert corpus.counts == {"AudioCaps": 3, "Clotho": 10, "MACS": 2, "FSD50K": 3}
    assert corpus.licences["AudioCaps"] == "MIT"
    assert "unknown" not in corpus.licences.values()
    assert {"A dog barks, and a man speaks", "people talk", "rain"} <= {one.text for one in corpus.captions}


def test_labels_of_a_manifest_are_names_and_its_captions_captions(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 300)
    write_tone(tmp_path / "b.wav", 400)
    rows = [{"path": "a.wav", "caption": ["A dog barks", "Barking"]}, {"path": "b.wav", "label": "light_rain"}]
    (tmp_path / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = ClipCaptions(manifest(tmp_path / "clips.jsonl"), "CC0")
    corpus = build_corpus([source])
    assert [(one.text, one.group) for one in corpus.captions] == [
        ("light rain", "names"),
        ("A dog barks", "captions"),
        ("Barking", "captions"),
    ]
    assert corpus.licences == {"clips": "CC0"}


def test_a_data_set_that_says_nothing_is_refused(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 300)
    with pytest.raises(TinyclapError, match=r"no clip of .* has a caption or a label"):
        build_corpus([ClipCaptions(folder(tmp_path))])
