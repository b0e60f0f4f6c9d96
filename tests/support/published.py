"""Published data sets in small, in exactly their official layouts; every clip sounds different."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import yaml

from tests.support.dataset_contract import write_tone


def write_lines(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_urbansound8k(root: Path) -> Path:
    """Three recordings in folds 1, 2 and 10, the last with two slices."""
    rows = [
        ("100032-3-0-0.wav", "100032", "1", "3", "dog_bark"),
        ("101-9-0-1.wav", "101", "2", "9", "street_music"),
        ("102-3-0-0.wav", "102", "10", "3", "dog_bark"),
        ("102-3-0-4.wav", "102", "10", "3", "dog_bark"),
    ]
    lines = ["slice_file_name,fsID,start,end,salience,fold,classID,class"]
    for number, (name, recording, fold, index, label) in enumerate(rows):
        lines.append(f"{name},{recording},0.0,0.5,1,{fold},{index},{label}")
        write_tone(root / f"audio/fold{fold}" / name, 300 + 50 * number)
    (root / "audio/fold1/.DS_Store").write_bytes(b"as in the archive")
    write_lines(root / "metadata/UrbanSound8K.csv", *lines)
    return root


DEVELOPMENT = [
    ("b020_90_100", "beach", "b020", 1),
    ("b020_100_110", "beach", "b020", 1),
    ("b077_0_10", "bus", "b077", 2),
    ("a128_0_10", "cafe/restaurant", "a128", 3),
    ("a129_0_10", "cafe/restaurant", "a129", 4),
]


def write_tut2017_development(root: Path) -> Path:
    for number, (name, *_) in enumerate(DEVELOPMENT):
        write_tone(root / f"audio/{name}.wav", 300 + 50 * number)
    write_lines(root / "meta.txt", *(f"audio/{name}.wav\t{scene}\t{place}" for name, scene, place, _ in DEVELOPMENT))
    for fold in range(1, 5):
        tested = [(f"audio/{name}.wav", scene) for name, scene, _, own in DEVELOPMENT if own == fold]
        learned = [(f"audio/{name}.wav", scene) for name, scene, _, own in DEVELOPMENT if own != fold]
        setup = root / "evaluation_setup"
        write_lines(setup / f"fold{fold}_train.txt", *map("\t".join, learned))
        write_lines(setup / f"fold{fold}_evaluate.txt", *map("\t".join, tested))
        write_lines(setup / f"fold{fold}_test.txt", *(file for file, _ in tested))
    return root


def write_tut2017_evaluation(root: Path, table: str = "meta.txt") -> Path:
    for number in range(3):
        write_tone(root / f"audio/{number}.wav", 900 + 50 * number)
    write_lines(root / table, "audio/0.wav\tbeach", "audio/1.wav\tbus", "audio/2.wav\tbus")
    write_lines(root / "evaluation_setup/test.txt", *(f"audio/{number}.wav" for number in range(3)))
    return root


def write_audiocaps(root: Path, names: Sequence[str] = ("-0abc_DEFgh.wav", "2abcdefghij_30.flac", "91139.wav")) -> Path:
    """Three videos to learn from, named in the three ways that people use, and one of two captions to test on."""
    header = "audiocap_id,youtube_id,start_time,caption"
    write_lines(
        root / "train.csv",
        header,
        '91137,-0abc_DEFgh,70,"A dog barks, and a man speaks"',
        "91138,2abcdefghij,30,Rain falls on a roof",
        "91139,3abcdefghij,0,A bell rings",
    )
    write_lines(
        root / "test.csv", header, "103549,4abcdefghij,10,A man talks", "103548,4abcdefghij,10,Constant rattling"
    )
    for number, name in enumerate(names):
        write_tone(root / "train" / name, 300 + 50 * number)
    write_tone(root / "test/4abcdefghij.wav", 900)
    return root


def write_clotho(root: Path) -> Path:
    for first, split in ((300, "development"), (600, "validation")):
        names = [f"Rain (1.5 m) {split}.wav", f"bell-{split}.wav"]
        rows = [f"{name}," + ",".join(f"{name[:4]} {number}" for number in range(5)) for name in names]
        write_lines(
            root / f"clotho_captions_{split}.csv", "file_name,caption_1,caption_2,caption_3,caption_4,caption_5", *rows
        )
        for number, name in enumerate(names):
            write_tone(root / split / name, first + 50 * number)
    return root


def macs_annotations(*names: str) -> str:
    people = [("a dog", ["dog_barking"]), ("people talk", []), ("a dog", ["music"])]
    annotated = [{"annotator_id": number, "sentence": said, "tags": tags} for number, (said, tags) in enumerate(people)]
    return yaml.safe_dump({"files": [{"filename": name, "annotations": annotated} for name in names]})


def write_macs(root: Path) -> Path:
    names = ["airport-barcelona-0-0-a.wav", "airport-barcelona-0-1-a.wav", "park-vienna-12-3-a.wav"]
    for number, name in enumerate([*names, "tram-vienna-13-4-a.wav"]):  # TAU has more than MACS describes
        write_tone(root / "audio" / name, 300 + 50 * number)
    (root / "MACS.yaml").write_text(macs_annotations(*names))
    return root


RECORDINGS = (("YOU0000000315", "youtube"), ("POD0000000004", "podcast"))


def gigaspeech_metadata(path: Path, aid: str, source: str) -> dict[str, Any]:
    """What GigaSpeech.json says of a recording: two sentences of subset XS, one of XL alone, and music."""
    said = [
        ("AS THEY'RE LEAVING <COMMA> CAN KASH GO <QUESTIONMARK>", ["{XS}", "{S}", "{M}", "{L}", "{XL}"]),
        (f"{source.upper()} SPEAKS <PERIOD>", ["{XS}", "{S}", "{M}", "{L}", "{XL}"]),
        ("IT GOES ON", ["{XL}"]),
        ("<MUSIC>", ["{XS}", "{XL}"]),
    ]
    segments = [
        {
            "sid": f"{aid}_S{number:07}",
            "speaker": "N/A",
            "begin_time": 0.4 + 0.613 * number,
            "end_time": 0.9 + 0.613 * number,
            "text_tn": text,
            "subsets": subsets,
        }
        for number, (text, subsets) in enumerate(said)
    ]
    return {
        "aid": aid,
        "path": str(path),
        "source": source,
        "format": "opus",
        "sample_rate": 16000,
        "segments": segments,
    }


def write_gigaspeech(root: Path) -> Path:
    """SpeechColab's layout: two Opus files of four segments each."""
    audios = []
    for number, (aid, source) in enumerate(RECORDINGS):
        path = Path(f"audio/{source}/P0001/{aid}.opus")
        (root / path).parent.mkdir(parents=True)
        tones = [np.sin(2 * np.pi * (300 + 50 * number + 20 * t) * np.arange(14_700) / 24_000) for t in range(5)]
        soundfile.write(root / path, 0.4 * np.concatenate(tones), 24_000, format="OGG", subtype="OPUS")
        audios.append(gigaspeech_metadata(path, aid, source))
    whole = {"dataset": "GigaSpeech", "language": "EN", "version": "v1.0.0", "audios": audios}
    (root / "GigaSpeech.json").write_text(json.dumps(whole, indent=2))
    return root


def write_gigaspeech_hub(root: Path) -> Path:
    """The hub's layout, archives unpacked: two clips of XS and, in tables of their own, one that S has besides."""
    header = "sid,speaker,begin_time,end_time,text_tn,source"
    for number, (folder, chunk, aid, text) in enumerate(
        [
            ("xs{}", "xs_chunks_0000", "YOU0000000315_S0000660", "CAN KASH GO <QUESTIONMARK>"),
            ("xs{}", "xs_chunks_0001", "POD0000000004_S0000001", "HELLO <PERIOD>"),
            ("s{}_additional", "s_chunks_0000", "AUD0000000007_S0000002", "A NEW DAY"),
        ]
    ):
        write_tone(root / "data/audio" / folder.format("_files") / chunk / f"{aid}.wav", 300 + 50 * number)
        table = root / "data/metadata" / folder.format("_metadata") / f"{chunk}_metadata.csv"
        write_lines(table, header, f"{aid},N/A,1.0,1.5,{text},2", f"{aid[:-1]}9,N/A,2.0,2.5,<NOISE>,2")
    return root


def write_fsd50k(root: Path) -> Path:
    truth = root / "FSD50K.ground_truth"
    write_lines(
        truth / "dev.csv",
        "fname,labels,mids,split",
        '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train',
        '16399,"Accelerating_and_revving_and_vroom,Vehicle","/m/07q2z82,/m/07yv9",val',
        "21914,Rain,/m/06mb1,train",
    )
    write_lines(truth / "eval.csv", "fname,labels,mids", '37199,"Bark,Dog","/m/05tny_,/m/0bt9lr"')
    write_lines(truth / "vocabulary.csv", "0,Bark,/m/05tny_")
    for number, name in enumerate(["dev_audio/64760", "dev_audio/16399", "dev_audio/21914", "eval_audio/37199"]):
        write_tone(root / f"FSD50K.{name}.wav", 300 + 50 * number)
    return root
