"""Recipe sections that list the fields of another class list exactly those, with the same defaults."""

import dataclasses

import pytest

from tinyclap.config.data import Views
from tinyclap.config.networks import Encoder, PhiNet
from tinyclap.config.recipe import load_recipe


def test_the_sections_agree_with_the_classes_they_configure() -> None:
    phinet = pytest.importorskip("tinyclap.models.phinet")
    student = pytest.importorskip("tinyclap.models.student")
    views = pytest.importorskip("tinyclap.data.views")

    def defaults(config: type) -> dict[str, object]:
        return {field.name: getattr(config(), field.name) for field in dataclasses.fields(config)}

    variant = {"squeeze_excite", "activation", "dropout"}  # null: the class fills in the variant's own
    expected = {key: None if key in variant else value for key, value in defaults(phinet.PhiNetConfig).items()}
    assert PhiNet().model_dump() == expected
    assert Views().model_dump(exclude={"seed"}) == defaults(views.ViewSpec)
    own = {key: value for key, value in defaults(student.StudentConfig).items() if key not in ("embed_dim", "window_s")}
    assert set(Encoder.model_fields) == set(own)
    for key in set(own) - {"frontend", "phinet"}:
        assert getattr(Encoder(), key) == own[key]


def test_the_training_sections_agree_with_the_options_they_fill() -> None:
    distill = pytest.importorskip("tinyclap.training.distill")
    recipe = load_recipe("quickstart", task="distill")
    options = distill.DistillOptions(**recipe.training.model_dump(exclude={"keep_logmels"}))
    assert options.epochs == recipe.training.epochs
    pretrain = pytest.importorskip("tinyclap.training.pretrain")
    teacher = load_recipe("demo_teacher", task="pretrain")
    assert pretrain.PretrainOptions(**teacher.training.model_dump(exclude={"logit_scale_init"})).text_lr > 0
