"""Why a contrastive loss does not fall."""

import math

import torch
from torch import Tensor

from tinyclap.training.losses import lowest_info_nce

STUCK_SHARE = 0.03
COLLAPSED_COSINE = 0.98
UNIFORM_LOGIT_SD = 0.5
PATIENT_STEPS = 100


@torch.no_grad()
def spread(audio: Tensor, text: Tensor, scale: Tensor) -> tuple[float, float, float]:
    """Standard deviation of the logits, and the mean cosine between different sounds and between different texts."""
    logit_sd = (scale * audio @ text.T).float().std().item()
    apart = ~torch.eye(len(audio), dtype=torch.bool, device=audio.device)
    return logit_sd, (audio @ audio.T)[apart].mean().item(), (text @ text.T)[apart].mean().item()


def diagnose(row: dict[str, float]) -> str | None:
    """Why a contrastive loss sits at ln(batch), the loss of guessing; None while it does not.

    Args:
        row: one epoch's metrics: contrastive (or loss, if that is all), batch, steps, logit_sd, audio_cosine,
            text_cosine, logit_scale.
    """
    if "batch" not in row:  # nothing was contrasted
        return None
    loss, chance = row.get("contrastive", row["loss"]), math.log(row["batch"])
    if abs(loss / chance - 1.0) > STUCK_SHARE:
        return None
    message = f"the loss {loss:.3f} sits at ln(batch) = {chance:.3f}, the loss of guessing: "
    collapsed = [name for name in ("audio", "text") if row[f"{name}_cosine"] > COLLAPSED_COSINE]
    if collapsed:
        return message + (
            f"the {' and '.join(collapsed)} tower gives every input the same embedding (mean cosine "
            f"{max(row[f'{name}_cosine'] for name in collapsed):.3f}); lower its learning rate, lengthen "
            "training.warmup_share, or check that its inputs differ"
        )
    if row["logit_sd"] < UNIFORM_LOGIT_SD:
        return message + (
            f"the logits hardly differ (standard deviation {row['logit_sd']:.2g}), so softmax is uniform; raise "
            f"training.logit_scale_init (the scale is {row['logit_scale']:.3g}, with which no towers come below "
            f"{lowest_info_nce(row['logit_scale'], round(row['batch'])):.3f}; CLIP starts at 14.3)"
        )
    if row["steps"] < PATIENT_STEPS:
        return None
    return (
        message
        + "the towers have not met; if this lasts, raise training.lr or check that captions belong to their clips"
    )
