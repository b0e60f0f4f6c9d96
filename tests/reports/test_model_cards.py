"""Model cards say what the result files say, in front matter that the hub reads."""

import ast
import re

import pytest
import yaml

from tests.support.report_runs import (
    ESC10,
    HOSTILE_NAME,
    fake_evaluation,
    fake_summary,
)
from tinyclap.reports import model_cards


class TestModelCard:
    def front_matter(self, card: str) -> dict:
        assert card.startswith("---\n")
        return yaml.safe_load(card.split("---\n")[1])

    def test_front_matter_and_numbers(self) -> None:
        evaluation, summary = fake_evaluation(), fake_summary()
        summary["teacher"]["name"] = "laion/clap-htsat-unfused"
        card = model_cards.model_card(summary, evaluation)
        matter = self.front_matter(card)
        assert matter["license"] == "apache-2.0"
        assert matter["base_model"] == "laion/clap-htsat-unfused"
        assert matter["pipeline_tag"] == "zero-shot-audio-classification"
        assert {"clap", "tinyclap", "knowledge-distillation"} <= set(matter["tags"])
        assert matter["model-index"][0]["results"][0]["metrics"][0]["value"] == evaluation["student"]["accuracy"]
        assert "base_model" not in self.front_matter(model_cards.model_card(summary, evaluation, teacher_is_local=True))
        low, high = (100 * end for end in evaluation["student"]["ci95"])
        assert f"{100 * evaluation['student']['accuracy']:.1f} % [{low:.1f}, {high:.1f}]" in card
        for wanted in (
            "320 clips",
            "299,904",
            "68,214",
            "237 clips",
            "16 views",
            "this is the sound of {}",
            "Apache-2.0",
        ):
            assert wanted in card
        assert "## Limitations" in card

    def test_whose_words_a_student_goes_with(self) -> None:
        for own, said in ((False, "still come from the teacher's"), (True, "come from the text student")):
            card = model_cards.model_card(fake_summary(), None, own_words=own)
            assert card.splitlines()[-1].startswith("- ")
            assert said in card.splitlines()[-1]

    def test_a_licence_the_hub_does_not_know_is_declared_by_name(self) -> None:
        summary = {"teacher": {"name": "my teacher", "licence": 'Research: "only"'}}
        matter = self.front_matter(model_cards.model_card(summary, None))
        assert (matter["license"], matter["license_name"]) == ("other", 'Research: "only"')
        assert "base_model" not in matter  # no hub id

    def test_each_test_set_keeps_its_accuracy(self) -> None:
        first, second = fake_evaluation(), fake_evaluation(90, ESC10[:3])
        card = model_cards.model_card(fake_summary(), [{**first, "data": "ESC-10"}, {**second, "data": "my: sounds"}])  # type: ignore[arg-type]
        [index] = self.front_matter(card)["model-index"]
        assert index["name"] == "tinyclap student"
        assert [(result["dataset"]["name"], result["metrics"][0]["value"]) for result in index["results"]] == [
            ("ESC-10", first["student"]["accuracy"]),
            ("my: sounds", second["student"]["accuracy"]),
        ]
        for result in index["results"]:
            assert result["task"] == {
                "type": "zero-shot-audio-classification",
                "name": "Zero-shot audio classification",
            }

    @pytest.mark.parametrize(("kind", "library"), [("hf", "transformers"), ("dual", "tinyclap")])
    def test_a_teachers_card_says_its_licence_and_accuracy(self, kind: str, library: str) -> None:
        evaluation = fake_evaluation()
        summary = {"teacher": {"name": "mine", "licence": "Research only", "parameters": 1000, "embed_dim": 8}}
        card = model_cards.teacher_card(summary, evaluation, "task: pretrain\n", kind)
        matter = self.front_matter(card)
        assert (matter["license"], matter["license_name"]) == ("other", "Research only")
        assert (matter["library_name"], matter["tags"]) == (library, ["tinyclap", "clap", "audio"])
        [result] = matter["model-index"][0]["results"]
        assert result["metrics"][0]["value"] == evaluation["teacher"]["accuracy"]
        assert "# mine" in card
        bare = self.front_matter(model_cards.teacher_card({"teacher": {"name": "mine"}}, None, "", kind))
        assert "model-index" not in bare

    def test_without_evaluation_it_claims_nothing(self) -> None:
        card = model_cards.model_card(fake_summary(), None)
        assert "Not evaluated yet" in card
        assert "model-index" not in card
        assert not re.search(r"\d %", card)

    def test_an_empty_summary_gives_a_card(self) -> None:
        assert "the teacher" in model_cards.model_card({}, None)

    def test_the_snippet_is_python(self) -> None:
        card = model_cards.model_card(fake_summary(), fake_evaluation())
        snippet = re.search(r"```python\n(.*?)```", card, flags=re.DOTALL)
        assert snippet is not None
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(snippet[1])) if isinstance(node, ast.Call)}
        assert {"Student.from_pretrained", "read", "student.embed_audio"} <= calls

    def test_hostile_teacher_name_stays_text(self) -> None:
        summary = {"teacher": {"name": HOSTILE_NAME, "licence": "x\n---\nlicense: mit"}}
        card = model_cards.model_card(summary, None)
        assert self.front_matter(card)["license"] == "other"
        assert "<script>" not in card
