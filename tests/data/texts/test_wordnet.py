"""Words of WordNet's files: those that are asked for, no names, in the forms that people type."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.servers.http_server import Server
from tinyclap.data.texts import wordnet
from tinyclap.data.texts.corpus import build_corpus
from tinyclap.data.texts.wordnet import DEBIAN, DEFAULT_KINDS, ROOTS, Kind, WordNetWords
from tinyclap.data.texts.wordnet_dict import LEXICOGRAPHER_FILES, WordNet
from tinyclap.errors import TinyclapError
from tinyclap.runtime.published_weights import PublishedFile

NUMBERS = {file: number for number, file in LEXICOGRAPHER_FILES.items()}
LICENCE = "  1 This software is provided under the following license.  \n"
# Offset, file, words, what it is a kind (@) or a case (@i) of, gloss.
SYNSETS = [
    ("00000001", "noun.event", "sound", "", 'an audible event; "the sound awakened them"'),
    ("00000002", "noun.event", "bark yelp", "@00000001", 'the sound of a dog; "a bark in the night"'),
    ("00000003", "noun.animal", "dog Canis_familiaris", "", "a canine that barks"),
    ("00000004", "noun.animal", "German_shepherd mouse", "@00000003", "a breed"),
    ("00000005", "noun.animal", "Lassie", "@i00000003", "a dog in films"),
    ("00000006", "noun.group", "taxonomic_group taxon", "", "a group of living things"),
    ("00000007", "noun.animal", "Canis genus_Canis", "@00000006", "type genus of the Canidae"),
    ("00000008", "noun.person", "so-and-so", "", "(ethnic slur) offensive term for somebody"),
    ("00000009", "noun.artifact", "horn TV 8-track", "", 'makes a noise; "he blew the horn"'),
    ("00000010", "noun.cognition", "idea", "", "the content of cognition"),
    ("00000011", "noun.cognition", "notion", "", "a vague idea"),
    ("00000012", "verb.perception", "sound go", "", 'make a noise; "the bell sounded"'),
    ("00000013", "verb.perception", "hum drone_on", "@00000012", "sound with a monotonous hum"),
    ("00000014", "adj.all", "loud hi-fi(a)", "", "characterized by volume"),
]
COMMON = {"dog", "mouse", "idea", "horn", "hum", "loud"}


def line(offset: str, file: str, words: str, above: str, gloss: str) -> str:
    part = file[0]
    kinds = [f"{'@i' if above.startswith('@i') else '@'} {above.lstrip('@i')} {part} 0000"] if above else []
    named = " ".join(f"{word} 0" for word in words.split())
    number = NUMBERS[file]
    counted = f"{len(words.split()):02x} {named} {len(kinds):03d} {' '.join(kinds)}"
    return f"{offset} {number:02d} {part} {counted} | {gloss}  \n"


def write(folder: Path, synsets: Sequence[tuple[str, str, str, str, str]] = SYNSETS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("noun", "verb", "adj"):
        own = [one for one in synsets if one[1].startswith(part)]
        (folder / f"data.{part}").write_text(LICENCE + "".join(line(*one) for one in own))
        lemmas = [(word.lower().removesuffix("(a)"), offset) for offset, _, words, *_ in own for word in words.split()]
        index = [f"{lemma} {part[0]} 1 1 @ 1 {int(lemma in COMMON)} {offset}  \n" for lemma, offset in lemmas]
        (folder / f"index.{part}").write_text(LICENCE + "".join(index))
    (folder / "noun.exc").write_text("mice mouse\n")
    (folder / "verb.exc").write_text("humming hum\nhummed hum\n")
    return folder


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    return write(tmp_path / "dict")


def words(folder: Path, *kinds: Kind) -> list[str]:
    return [one.text for one in WordNetWords(str(folder), kinds=kinds, glosses=()).captions()]


def test_a_kind_is_all_below_its_roots_with_gerunds_of_verbs(dictionary: Path) -> None:
    expected = ["sound", "bark", "yelp", "sound", "sounding", "go", "going", "hum", "humming", "drone on", "droning on"]
    assert words(dictionary, "sound") == expected


def test_names_and_genera_are_left_out_and_common_things_come_as_several_too(dictionary: Path) -> None:
    assert words(dictionary, "animals") == ["dog", "dogs", "German shepherd", "mouse", "mice"]
    assert words(dictionary, "things") == []


def test_common_words_are_those_of_any_topic_that_texts_hold(dictionary: Path) -> None:
    assert words(dictionary, "common") == [
        "dog",
        "dogs",
        "mouse",
        "mice",
        "horn",
        "horns",
        "idea",
        "hum",
        "humming",
        "loud",
    ]


def test_adjectives_come_without_their_marks(dictionary: Path) -> None:
    assert words(dictionary, "qualities") == ["loud", "hi-fi"]


def test_all_are_all_but_names_numbers_and_slurs(dictionary: Path) -> None:
    every = words(dictionary, "all")
    assert {"notion", "TV", "horn", "taxonomic group"} - set(every) == {"taxonomic group"}
    assert not {"Lassie", "Canis", "Canis familiaris", "genus Canis", "so-and-so", "8-track"} & set(every)


def test_glosses_are_definitions_and_examples(dictionary: Path) -> None:
    captions = build_corpus([WordNetWords(str(dictionary), kinds=("animals",), glosses=("sound",))]).captions
    assert [(one.text, one.group) for one in captions[5:]] == [
        ("an audible event", "definitions"),
        ("the sound of a dog", "definitions"),
        ("make a noise", "definitions"),
        ("sound with a monotonous hum", "definitions"),
        ("the sound awakened them", "captions"),
        ("a bark in the night", "captions"),
        ("the bell sounded", "captions"),
    ]


def test_the_folder_above_the_dictionary_will_do(dictionary: Path) -> None:
    assert words(dictionary.parent, "animals") == words(dictionary, "animals")


def test_where_there_is_none_it_is_fetched_and_unpacked_once(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "dict")
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(tmp_path / "dict", "dict")
    server.files["WNdb-3.0.tar.gz"] = content.getvalue()
    published = PublishedFile(server.url_of("WNdb-3.0.tar.gz"), None, None, "wordnet")
    monkeypatch.setattr(wordnet, "WORDNET", published)
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path / "none")
    found = [[one.text for one in WordNetWords(kinds=("animals",), glosses=()).captions()] for _ in range(2)]
    assert found == [words(tmp_path, "animals")] * 2
    assert len(server.asked) == 1
    assert (published.unpacked / "dict" / "data.noun").is_file()


def test_without_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = PublishedFile("http://127.0.0.1:9/WNdb-3.0.tar.gz", None, None, "wordnet")
    monkeypatch.setattr(wordnet, "WORDNET", published)
    monkeypatch.setattr(wordnet, "DEBIAN", tmp_path / "none")
    message = rf"cannot reach(.|\n)*{published.url} elsewhere and put it at {published.place}.*apt install wordnet-base"
    with pytest.raises(TinyclapError, match=message):
        list(WordNetWords().captions())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.noun", None, r"is no dictionary of WordNet 3\.x: it has no data\.noun"),
        ("data.noun", "0001 99 n 01 dog 0 000 | a dog\n", r"data\.noun, line 1: expected a synset"),
        ("data.verb", "  1 licence\n0001 30 v 02 hum 0 | a sound\n", r"data\.verb, line 2: expected a synset"),
        ("data.noun", "no gloss\n", r"line 1: expected a synset of WordNet 3\.x \(no gloss\)"),
        ("index.noun", "dog n x\n", r"index\.noun, line 1: expected a word"),
    ],
)
def test_other_files_are_refused(dictionary: Path, name: str, content: str | None, message: str) -> None:
    (dictionary / name).unlink()
    if content is not None:
        (dictionary / name).write_text(content)
    with pytest.raises(TinyclapError, match=message):
        words(dictionary, "all")


def test_a_missing_folder_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(TinyclapError, match=r"there is no folder .*none; give WordNet's"):
        words(tmp_path / "none", "all")
    with pytest.raises(TinyclapError, match=r"kinds = .*'noises'.* must be .*sound"):
        WordNetWords(kinds=("noises",))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> WordNet:
    if not DEBIAN.is_dir():
        pytest.skip(f"WordNet is not installed: {DEBIAN} (apt install wordnet-base)")
    return WordNet(DEBIAN)


def test_every_root_is_in_the_whole_dictionary(whole: WordNet) -> None:
    missing = [root for roots in ROOTS.values() for root in roots if not whole.named(*root.partition(":")[::2])]
    assert not missing
    assert {*DEFAULT_KINDS} - {"common"} <= {*ROOTS}


def test_the_whole_dictionary_has_what_people_type(whole: WordNet) -> None:
    corpus = build_corpus([WordNetWords()])
    texts = {caption.text for caption in corpus.captions}
    assert {"dog", "barking", "chainsaw", "thunderstorm", "kitchen", "French horn", "explosion", "TV", "mice"} <= texts
    assert {
        "laughing",
        "chopping",
        "street",
        "church bell",
        "ambulance",
        "applause",
        "snoring",
        "happiness",
        "happy",
    } <= texts
    assert not {"Canis", "Bach", "Paris", "Canis familiaris", "Homo sapiens"} & texts
    assert 40_000 < corpus.groups["words"] < 80_000
