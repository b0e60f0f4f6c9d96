"""Small data sets in every layout."""

from pathlib import Path

from tests.support.dataset_contract import write_tone


def write_folder(root: Path) -> Path:
    """Two classes, one of them with a deeper folder, and a clip without a class."""
    for number, name in enumerate(["dog/a.wav", "dog/b.flac", "rain/c.ogg", "rain/roof/d.wav", "loose.wav"]):
        write_tone(root / name, 300 + 100 * number)
    return root


def write_esc50(root: Path, suffix: str = ".wav") -> Path:
    """The official layout in small: 2 classes in 3 folds, the even ones marked as ESC-10."""
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for number in range(6):
        name = f"{number % 3 + 1}-{100 + number}-A-{number % 2}"
        category = ("dog", "door_knock")[number % 2]
        lines.append(f"{name}.wav,{number % 3 + 1},{number % 2},{category},{number % 2 == 0},{100 + number},A")
        write_tone(root / "audio" / (name + suffix), 300 + 50 * number)
    (root / "meta").mkdir(parents=True)
    (root / "meta/esc50.csv").write_text("\n".join(lines) + "\n")
    return root


def write_manifest(root: Path, rows: str, name: str = "list.csv") -> Path:
    write_folder(root)
    (root / name).write_text(rows)
    return root / name


CSV_ROWS = """path,label,caption,fold,split,source,licence
dog/a.wav,dog,"a dog, far away",1,train,r1,CC0
dog/b.flac,dog,,2.0,test,r1,CC0
loose.wav,,,,,,
"""
