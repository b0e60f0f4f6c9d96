"""Sections on texts: what may be written, what they make, and how they are described."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from tests.support import published
from tinyclap.config.data import AnyData
from tinyclap.config.reference import key_tables, keys
from tinyclap.config.texts import SeveralTexts, build_texts, describe_texts, named_files
from tinyclap.strict_yaml.sections import Section


class Holder(Section):
    """A section with texts."""

    texts: SeveralTexts


def read(*sections: dict[str, Any]) -> tuple[Any, ...]:
    return Holder.model_validate_json(json.dumps({"texts": sections})).texts


def test_every_kind_is_read_and_makes_captions(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("a door slams somewhere\n")
    (tmp_path / "train.csv").write_text("youtube_id,caption\nabc,A dog barks\n")
    (tmp_path / "ontology.json").write_text('[{"name": "Purr", "description": "A cat sound."}]')
    published.write_clotho(tmp_path / "clotho")
    sections = read(
        {"kind": "audioset", "path": str(tmp_path / "ontology.json")},
        {"kind": "grammar", "n": 50},
        {"kind": "captions", "path": str(tmp_path / "train.csv")},
        {"kind": "file", "path": str(tmp_path / "mine.txt"), "licence": "CC0"},
        {"kind": "labels", "labels": ["kettle_boiling"]},
        {"kind": "data", "data": {"kind": "clotho", "root": str(tmp_path / "clotho")}},
    )
    corpus = build_texts(sections, exclude=["dog"], prompts=["the sound of {}"], misspelled_share=0.5, seed=3)
    assert {"Purr", "a door slams somewhere", "kettle boiling", "the sound of kettle boiling"} <= {
        one.text for one in corpus.captions
    }
    assert corpus.counts["Clotho"] == 5 * 2
    assert corpus.counts[f"AudioCaps ({tmp_path / 'train.csv'})"] == 0
    assert corpus.licences["grammar"] == "Apache-2.0 (tinyclap)"
    assert corpus.licences[str(tmp_path / "mine.txt")] == "CC0"
    assert named_files(sections) == {
        "0.path": str(tmp_path / "ontology.json"),
        "2.path": str(tmp_path / "train.csv"),
        "3.path": str(tmp_path / "mine.txt"),
    }


def test_the_seed_decides_on_the_grammar(tmp_path: Path) -> None:
    sections = read({"kind": "grammar", "n": 20})
    assert build_texts(sections, seed=1).fingerprint != build_texts(sections, seed=2).fingerprint


def test_a_summary_is_one_line_of_what_is_no_default() -> None:
    sections = read(
        {"kind": "audioset"},
        {"kind": "wordnet", "kinds": ["sound", "music"], "glosses": []},
        {"kind": "grammar", "n": 20_000},
        {"kind": "labels", "labels": list("abcdefgh")},
        {"kind": "file", "path": "mine.txt"},
        {"kind": "data", "data": {"kind": "clotho", "root": "x"}},
    )
    assert describe_texts(sections) == (
        "audioset; wordnet kinds=sound,music glosses=none; grammar; labels labels=8 of them; file path=mine.txt; "
        "data (kind=clotho root=x)"
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"kind": "audioset", "n": 3}, "texts.0.audioset.n\n  Unexpected keyword"),
        ({"kind": "wordnet", "kinds": ["noise"]}, "Input should be 'sound', 'speech'"),
        ({"kind": "wordnet", "kinds": []}, "at least 1 item"),
        ({"kind": "grammar", "n": 0}, "greater than or equal to 1"),
        ({"kind": "grammar", "n": "many"}, "valid integer"),
        ({"kind": "labels", "labels": []}, "at least 1 item"),
        ({"kind": "file"}, "Field required|missing"),
        ({"kind": "data", "data": {"kind": "folder", "root": "x", "weight": 2.0}}, "got a weight, allowed: none"),
        ({"kind": "novels"}, "does not match any of the expected tags"),
    ],
)
def test_anything_else_is_an_error(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(section)


def test_every_key_is_documented() -> None:
    """As part of a recipe, whose kinds are told apart by `task`."""

    class First(Holder):
        task: Literal["first"]

    class Second(Section):
        task: Literal["second"]
        data: AnyData

    schema = TypeAdapter(Annotated[First | Second, Field(discriminator="task")]).json_schema()
    assert "| `texts` | required | a list of [sections](#texts) |" in key_tables(schema)
    silent = [key for key, meaning in keys(schema) if not meaning and key.startswith("texts.")]
    assert not [key for key in silent if not key.startswith("texts.data.")]  # as those of `data` are


def test_no_texts_are_an_error() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        read()
