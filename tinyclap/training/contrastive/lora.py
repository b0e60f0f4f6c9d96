"""Low-rank adapters in the towers of a teacher, by peft; merged into the weights, they leave an ordinary teacher."""

from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from tinyclap.errors import TinyclapError
from tinyclap.teachers.base import TrainableTeacher
from tinyclap.training.options import LoraOptions

NAME = "default"  # of the adapters, to peft


class Adapters:
    """Adapters beside the linear layers of a teacher's towers, whose own weights stay as they are.

    They learn through the teacher, as a part of it: its state holds them, and a checkpoint too.

    Args:
        teacher: that gets them; drawn from torch's global generator.
        options: which.

    Raises:
        ModuleNotFoundError: peft is not installed.
        TinyclapError: a tower that is not mainly of linear layers.
    """

    def __init__(self, teacher: TrainableTeacher, options: LoraOptions) -> None:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel

        self._teacher = teacher
        self._adapted: list[Any] = []
        for tower in options.towers:
            for module in teacher.parts()[tower]:
                names, is_transposed = _layers(module, f"init.lora: the {tower} tower of teacher {teacher.name}")
                config = LoraConfig(
                    r=options.rank,
                    lora_alpha=options.alpha,
                    lora_dropout=options.dropout,
                    target_modules=names,
                    fan_in_fan_out=is_transposed,
                )
                self._adapted.append(LoraModel(module, config, NAME))
        teacher.weights_changed()

    def merge(self) -> None:
        """Add what they have learned to the weights, and remove them."""
        for adapted in self._adapted:
            adapted.merge_and_unload()
        self._adapted.clear()
        self._teacher.requires_grad_(False)
        self._teacher.weights_changed()


def _layers(module: nn.Module, where: str) -> tuple[list[str], bool]:
    """Names of the linear layers, and whether they hold their weights transposed, as those of GPT-2 do."""
    found = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear | Conv1D)}
    held = sum(layer.weight.numel() for layer in found.values())
    convolved = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]
    if not found or held < sum(layer.weight.numel() for layer in convolved):
        raise TinyclapError(
            f"{where} is made of convolutions, and adapters are for transformers; leave it out of init.lora.towers, "
            "and train it whole or freeze it"
        )
    kinds = {isinstance(layer, Conv1D) for layer in found.values()}
    if len(kinds) > 1:
        raise TinyclapError(f"{where} mixes linear layers of two kinds; leave it out of init.lora.towers")
    return list(found), kinds.pop()


def trained_share(teacher: TrainableTeacher) -> float:
    """The share of a teacher's parameters that a training changes."""
    trained = sum(each.numel() for each in teacher.parameters() if each.requires_grad)
    return trained / sum(each.numel() for each in teacher.parameters())
