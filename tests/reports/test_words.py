"""Reports, cards and tables of runs that made a text student say what text.json says, and nothing of ears they lack."""

import ast
import json
import re
from pathlib import Path

import pytest
import yaml

from tests.support.report_runs import (
    HOSTILE_NAME,
    add_text,
    fake_ears,
    fake_evaluation,
    fake_run,
    fake_text,
    fake_words,
    html_tables,
    markdown_table,
    pages,
    text_of,
)
from tinyclap.common import numbers
from tinyclap.reports import model_cards, words
from tinyclap.reports.console.run import as_object, as_table
from tinyclap.runs.results import add_zero_shot, read_run

MINUS = "\N{MINUS SIGN}"
EARS = ("result", "size", "export", "classes", "prompts", "data")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("runs")


def both(folder: Path) -> Path:
    """A run with ears and words, which both name the test clips."""
    ears = {"teacher": fake_ears(0.9, 0.85), "student": fake_ears(0.88, 0.84)}
    return add_text(fake_run(folder), fake_text(zero_shot=fake_text()["zero_shot"] | {"ears": ears}))


class TestReportOfWordsAlone:
    def test_it_is_about_the_words(self, here: Path) -> None:
        page, markdown = pages(fake_words(here / "words"))
        for text in (text_of(page), markdown):
            for written in (
                "The student's words keep 83.3 % of its teacher's zero-shot accuracy at 1/20 of the parameters.",
                *("81.0 % [77.0, 85.0]", "67.5 % [62.5, 72.5]", f"{MINUS}13.5 points [{MINUS}16.5, {MINUS}10.5]"),
                *("1,124,224", "22,713,216", "4.50 MB", "1.12 MB", "90.9 MB", "3.43 M", "3,662"),
                *("26.7 %", "84.1 %", "29.7 %", "0.465", "the sound of {}"),
                *("3,151 captions were learned: audioset; grammar n=2000", "CC-BY-SA-4.0", "CC BY-SA 4.0"),
                "A transformer of 2 layers of width 128 on a table of 3,662 word pieces, 128 numbers each.",
                "tinyclap distill-text runs/words/recipe.yaml --run runs/words-again",
                "tinyclap evaluate runs/words --data folder --root PATH",
                "tinyclap export RUN_OF_A_STUDENT --text --words runs/words",
            ):
                assert written in text
            assert "is not in the run folder" not in text
            assert "tinyclap distill " not in text
        assert {f'id="{name}"' for name in EARS} & set(re.findall(r'id="[\w-]+"', page)) == set()
        assert "TextStudent.from_pretrained" in page
        assert not re.search(r"^## (Size|Export|Classes|Data)$", markdown, re.MULTILINE)

    def test_groups_stand_in_the_order_of_reading_with_what_was_learned(self, here: Path) -> None:
        page, markdown = pages(fake_words(here / "words"))
        rows = html_tables(page)["Captions by group"]
        assert [row[0] for row in rows] == ["", "All", "Names", "Captions", "Negations", "Odd"]
        assert rows[1:3] == [["All", "3,151", "758", "0.550", "0.650"], ["Names", "1,552", "320", "0.610", "0.710"]]
        assert rows[-1] == ["Odd", "40", *[numbers.DASH] * 3]
        assert markdown_table(markdown, "How closely its words follow its teacher's")[1:] == rows[1:]
        assert markdown_table(markdown, "Size and cost") == html_tables(page)["The text encoders"]

    def test_its_contents_lead_somewhere_and_its_training_is_drawn(self, here: Path) -> None:
        page, _ = pages(fake_words(here / "words"))
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'<a href="#([^"]+)"', page)) <= set(ids)
        assert page.count('<g class="line">') == 4
        assert ">Loss over epoch 1 to 5" in page
        opened: list[str] = []
        for closing, name in re.findall(r"<(/?)([a-zA-Z][\w]*)", re.sub(r"<[^>]*/>", "", page)):
            if closing:
                assert opened.pop() == name
            elif name not in {"meta", "br"}:
                opened.append(name)
        assert not opened

    def test_without_sounds_it_asks_for_some(self, here: Path) -> None:
        text = fake_text()
        del text["zero_shot"]
        page, markdown = pages(fake_words(here / "words", text))
        for told in (text_of(page), markdown):
            assert "centred cosine of 0.550 at 1/20 of the parameters; no sounds have been named" in told
            assert "No sounds yet" in told
            assert re.search(r"tinyclap evaluate runs/words(?! --data)", told), "its recipe names test data"

    def test_an_unfinished_one_names_the_command_that_goes_on(self, here: Path) -> None:
        folder = fake_words(here / "words")
        for name in ("text.json", "summary.json"):
            (folder / name).unlink()
        for page in pages(folder):
            told = text_of(page)
            assert "text.json is not in the run folder" in told
            assert "tinyclap distill-text runs/words/recipe.yaml --run runs/words --resume" in told
            assert "5 epochs in" in told, "what was trained is shown"
            assert "evaluation.json" not in told

    def test_sounds_elsewhere_have_a_table_of_their_own(self, here: Path) -> None:
        other = fake_text()["zero_shot"] | {"data": "kind=folder root=mine", "n_clips": 77}
        page, markdown = pages(fake_words(here / "words", fake_text(zero_shot_elsewhere=[other])))
        for text in (text_of(page), markdown):
            for written in ("400 clips of 50 classes", "77 clips of 50 classes", "root=mine"):
                assert written in text

    def test_hostile_names_stay_text(self, here: Path) -> None:
        text = fake_text(licences={HOSTILE_NAME: HOSTILE_NAME}, sources=HOSTILE_NAME, groups={HOSTILE_NAME: 3})
        text["teacher"]["text"] = HOSTILE_NAME
        page, markdown = pages(fake_words(here / "words", text))
        assert "<script" not in page
        assert "<script" not in markdown
        assert "\n# heading" not in markdown


class TestReportOfEarsAndWords:
    def test_it_has_both(self, here: Path) -> None:
        page, markdown = pages(both(here / "both"))
        for text in (text_of(page), markdown):
            for written in ("Student's ears", "88.0 % [84.0, 92.0]", "84.0 % [79.0, 89.0]", "402 M", "22,713,216"):
                assert written in text
            assert "tinyclap export --text runs/both" in text
        assert {f'id="{name}"' for name in (*EARS, "words")} <= set(re.findall(r'id="[\w-]+"', page))
        assert "84.0 % with its own words teacher's words 88.0 %" in text_of(page)
        ids = re.findall(r' id="([^"]+)"', page)
        assert len(ids) == len(set(ids)), "two trainings are drawn in one page"

    def test_words_that_were_asked_for_and_are_not_there_are_named(self, here: Path) -> None:
        recipe = "task: distill\nname: x\ntext: {sources: [{kind: audioset}]}\n"
        for page in pages(fake_run(here / "asked", recipe=recipe)):
            assert "text.json is not in the run folder" in text_of(page)
        pruned = {"pruned": {"dim": 8, "full_dim": 16, "from": "runs/asked"}}
        for page in pages(fake_run(here / "pruned", recipe=recipe, summary=pruned)):
            assert "text.json" not in text_of(page)


class TestConsole:
    def test_a_run_of_words(self, here: Path) -> None:
        table = as_table(fake_words(here / "words"))
        assert "audio parameters" not in table
        for line in (
            r"parameters +1\.12 M +22\.7 M",
            r"size \(INT8\) +1\.12 MB",
            r"MACs of 8 word pieces +3\.43 M",
            r"names +320 +0\.710 +0\.610",
            r"found first 26\.7 %, among ten 84\.1 %, 10-NN overlap 29\.7 %",
            r"teacher's ears +81\.0 % \[77\.0, 85\.0\] +67\.5 % \[62\.5, 72\.5\] +.13\.5 points",
            r"learned  3,151 captions \(audioset; grammar n=2000\) from mn04_as",
            r"next     tinyclap export RUN_OF_A_STUDENT --text --words runs/words",
        ):
            assert re.search(f"^{line}", table, re.MULTILINE), line
        told = json.loads(as_object(here / "words"))
        assert told["words"]["agreement"]["found_1"] == 0.267
        assert told["summary"]["task"] == "distill_text"

    def test_words_that_named_no_sounds_are_to_be_evaluated_next(self, here: Path) -> None:
        text = fake_text()
        del text["zero_shot"], text["teacher"]["parameters"]
        table = as_table(fake_words(here / "my words", text))
        assert "next     tinyclap evaluate 'runs/my words' --data folder --root YOUR_SOUNDS" in table
        assert "zero-shot" not in table
        assert "teacher's words" not in table, "whose size nobody knows"

    def test_the_answer_to_evaluate(self, here: Path) -> None:
        measured = fake_text()["zero_shot"] | {"data": "kind=folder root=mine", "n_clips": 77}
        table = as_table(fake_words(here / "words"), measured)
        assert "zero-shot accuracy, 77 clips" in table
        assert "400 clips" not in table
        assert "data     kind=folder root=mine" in table
        assert json.loads(as_object(here / "words", measured))["n_clips"] == 77

    def test_a_run_with_ears_says_both(self, here: Path) -> None:
        table = as_table(both(here / "both"))
        assert "audio parameters" in table
        assert "student's ears" in table
        answer = as_table(here / "both", {**fake_evaluation(), "data": "kind=esc50 folds=[1]"})
        assert "zero-shot accuracy, 400 clips" in answer, "what the words name on the same sounds"
        assert "found first" not in answer
        assert "student's ears" not in as_table(here / "both", {**fake_evaluation(), "data": "others"})


class TestCard:
    def front_matter(self, card: str) -> dict:
        assert card.startswith("---\n")
        return yaml.safe_load(card.split("---\n")[1])

    def test_front_matter_and_numbers(self) -> None:
        card = model_cards.text_card(fake_text())
        matter = self.front_matter(card)
        assert (matter["license"], matter["library_name"]) == ("cc-by-sa-4.0", "tinyclap")
        assert (matter["pipeline_tag"], "tinyclap" in matter["tags"]) == ("sentence-similarity", True)
        assert matter["base_model"] == "sentence-transformers/all-MiniLM-L6-v2"
        (result,) = matter["model-index"][0]["results"]
        assert (result["metrics"][0]["value"], result["dataset"]["name"]) == (0.675, "kind=esc50 folds=[1]")
        for written in (
            *("(2, 527), unit norm", "1,124,224", "1.12 MB", "81.0 % [77.0, 85.0]", "| names | 320 | 0.610 | 0.710 |"),
            *("| audioset | CC BY-SA 4.0 |", "| grammar | Apache-2.0 (tinyclap) |", "## Limitations", "48 word pieces"),
            "shared alike (audioset) and of the outputs of sentence-transformers/all-MiniLM-L6-v2 (apache-2.0)",
        ):
            assert written in card

    def test_the_snippet_is_python(self) -> None:
        (snippet,) = re.findall(r"```python\n(.*?)```", model_cards.text_card(fake_text()), flags=re.DOTALL)
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(snippet)) if isinstance(node, ast.Call)}
        assert calls == {"TextStudent.from_pretrained", "words.embed_text"}

    def test_it_claims_nothing_that_was_not_measured(self) -> None:
        text = fake_text()
        del text["zero_shot"], text["agreement"]
        card = model_cards.text_card(text)
        assert "No sounds have been named with it yet" in card
        assert "model-index" not in card
        assert not re.search(r"\d %", card)
        assert "its teacher" in model_cards.text_card({})

    def test_a_mean_of_words_knows_no_order(self) -> None:
        text = fake_text()
        text["student"] |= {"kind": "static", "layers": 0}
        card = model_cards.text_card(text)
        assert "The weighted mean of 3,662 word pieces, 128 numbers each; it knows no order." in card
        assert "and not their order" in card

    def test_hostile_names_stay_text(self) -> None:
        text = fake_text(licences={HOSTILE_NAME: "x\n---\nlicense: mit"})
        text["teacher"] |= {"name": HOSTILE_NAME, "licence": "y\n---\nlicense: mit", "text": HOSTILE_NAME}
        card = model_cards.text_card(text)
        assert self.front_matter(card)["license"] == "other"
        assert "<script>" not in card.split("---\n", 2)[2]

    def test_terms_that_limit_the_use_are_pointed_at(self) -> None:
        sources = {"Clotho (a.csv)": "Tampere University licence, non-commercial with attribution", "grammar": "MIT"}
        card = model_cards.text_card(fake_text(licences=sources))
        assert "Read the terms of Clotho (a.csv) before you use or share it." in card
        assert "inherited from the teacher's text encoder" in card


@pytest.mark.parametrize(
    ("teacher", "sources", "wanted"),
    [
        ("apache-2.0", ["the user's own"], "apache-2.0"),
        ("apache-2.0", ["MIT", "CC BY-SA 4.0"], "CC-BY-SA-4.0"),
        ("cc-by-sa-4.0", ["CC BY-SA 4.0"], "CC-BY-SA-4.0"),
        ("cc-by-nc-4.0", ["CC BY-SA 4.0"], "cc-by-nc-4.0 and CC-BY-SA-4.0"),
        ("mit", ["CC BY-SA 3.0", "cc-by-sa-4.0"], "CC-BY-SA-3.0 and CC-BY-SA-4.0"),
        (None, [], "unknown"),
    ],
)
def test_weights_are_shared_as_their_teacher_and_their_texts_ask(
    teacher: str | None, sources: list[str], wanted: str
) -> None:
    licences = {str(number): licence for number, licence in enumerate(sources)}
    assert words.weights_licence({"teacher": {"licence": teacher}, "licences": licences}) == wanted


def test_the_runs_own_sounds_stay_its_headline() -> None:
    entries: list[dict] = [{"data": data, "ears": {"teacher": {}}} for data in ("own", "mine", "others")]
    first, second, third = entries
    result = add_zero_shot({"captions": 3}, second, "own")
    assert result == {"captions": 3, "zero_shot": second, "zero_shot_elsewhere": []}
    for found in (first, third, {**second, "n_clips": 7}):
        result = add_zero_shot(result, found, "own")
    assert result["zero_shot"] == first
    assert [entry["data"] for entry in result["zero_shot_elsewhere"]] == ["mine", "others"]
    assert result["zero_shot_elsewhere"][0]["n_clips"] == 7, "in place of the one before"


def test_what_a_run_was_made_for(here: Path) -> None:
    run = read_run(fake_words(here / "words"))
    assert (run.task, run.has_ears, run.has_words) == ("distill_text", False, True)
    (here / "words" / "recipe.yaml").write_text("a: [1")
    with pytest.warns(UserWarning, match=r"recipe\.yaml"):
        assert read_run(here / "words").task == "distill_text", "its summary says it too"
    ears = read_run(fake_run(here / "ears"))
    assert (ears.task, ears.has_ears, ears.has_words) == ("distill", True, False)
    teacher = "task: pretrain\ntext: {kind: scratch}\n"
    assert not read_run(fake_run(here / "teacher", recipe=teacher)).has_words
