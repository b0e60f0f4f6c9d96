"""Any CLAP in Hugging Face's `ClapModel` format: LAION's unfused checkpoints, the demo teacher, our own.

Preprocessing is that of `ClapFeatureExtractor` (rand_trunc: Slaney mel filters and norm), computed here in torch, with
one difference: long clips become averaged fixed windows where the original takes a random crop.

LayerNorm epsilon: the text towers were trained as RoBERTa, whose epsilon is 1e-5, but the published configurations omit
`layer_norm_eps` and transformers then fills in 1e-12. A configuration that omits it is therefore read as 1e-5, which is
what the weights were trained with; one that states a value keeps it. (The difference moves a text embedding by 7e-5.)
"""

import copy
import warnings
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoTokenizer, ClapConfig, ClapFeatureExtractor, ClapModel, PreTrainedTokenizerBase

from tinyclap.audio.log_mel.in_torch import LogMel
from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.common.files import whole_folder, write_text
from tinyclap.errors import TinyclapError, first_line
from tinyclap.models import checkpoints
from tinyclap.models.long_audio import repeat_pad
from tinyclap.teachers.base import Part, TrainableTeacher, check_tokenizer, config_values, licence_of, tokenizer_text
from tinyclap.teachers.encoder import TextGraph
from tinyclap.teachers.htsat import stretching

ROBERTA_LAYER_NORM_EPS = 1e-5
DEMO = "tinyclap demo teacher"
MAX_TOKENS = 77  # LAION trained on captions of at most 77 tokens
INT16_PEAK = 32_767
LAION_PROMPTS = ("This is a sound of {}.",)
CONSTANTS = ("position_ids", "relative_position_index")  # follow from the configuration; may be there or not


class HFTeacher(TrainableTeacher):
    """A `ClapModel` with its tokenizer and front end.

    Args:
        model: without feature fusion.
        tokenizer: of its text tower.
        extractor: `ClapFeatureExtractor` that states the front end.
        name: for reports.
        licence: of the weights.
        max_tokens: to which captions are cut.
        int16: round waveforms to 16 bits first.
    """

    def __init__(
        self,
        model: ClapModel,
        tokenizer: PreTrainedTokenizerBase,
        extractor: ClapFeatureExtractor,
        *,
        name: str,
        licence: str = "unknown",
        max_tokens: int = MAX_TOKENS,
        int16: bool = False,
    ) -> None:
        super().__init__()
        config: Any = model.config
        if config.audio_config.enable_fusion or extractor.truncation == "fusion":
            raise TinyclapError(
                f"teacher {name} uses feature fusion, which picks random crops of long clips and is not supported; "
                "use an unfused checkpoint such as laion/clap-htsat-unfused or laion/larger_clap_general"
            )
        self.model, self.tokenizer, self.extractor = model, tokenizer, extractor
        self._tokenizer_text = tokenizer_text(tokenizer)
        self.name, self.licence, self.max_tokens, self.int16 = name, licence, max_tokens, int16
        self.frontend = LogMel(_frontend(name, extractor, config.audio_config))
        self.sample_rate = extractor.sampling_rate
        self.embed_dim = config.projection_dim
        self.window_s = extractor.nb_max_samples / extractor.sampling_rate
        self.prompts = LAION_PROMPTS

    @property
    def log_scale(self) -> nn.Parameter:
        return self.model.logit_scale_a

    def parts(self) -> Mapping[Part, Sequence[nn.Module]]:
        model = self.model
        heads = [model.audio_projection, model.text_projection]
        return {"audio": [model.audio_model], "text": [model.text_model], "head": heads}

    def text_parameters(self) -> list[nn.Parameter]:
        return [*self.model.text_model.parameters(), *self.model.text_projection.parameters()]

    def encode_audio(self, waveforms: Tensor) -> Tensor:
        if self.int16:
            waveforms = (waveforms.clamp(-1.0, 1.0) * INT16_PEAK).trunc() / INT16_PEAK
        return super().encode_audio(waveforms)

    def encode_logmel(self, logmel: Tensor) -> Tensor:
        return F.normalize(self.model.get_audio_features(input_features=logmel).pooler_output, dim=-1)

    def encode_text(self, texts: list[str]) -> Tensor:
        counts = [len(ids) for ids in self.tokenizer(texts)["input_ids"]]
        most = self.max_tokens
        if max(counts) > most:
            warnings.warn(f"{self.name}: a caption of {max(counts)} tokens is cut to {most}", stacklevel=3)
        tokens = self.tokenizer(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
        features = self.model.get_text_features(
            input_ids=tokens["input_ids"].to(self.model.device),
            attention_mask=tokens["attention_mask"].to(self.model.device),
        )
        return F.normalize(features.pooler_output, dim=-1)

    def before_tracing(self) -> nn.Module | None:
        return stretching(self.model.audio_model.audio_encoder)

    def text_graph(self) -> TextGraph:
        return TextGraph(_TextEncoder(self.model), self.tokenizer, int(self.tokenizer.pad_token_id), self.max_tokens)

    def pad(self, waveform: Tensor) -> Tensor:
        if self.extractor.padding == "repeat":
            return repeat_pad(waveform, self.window)
        if self.extractor.padding == "repeatpad":  # whole repetitions, then silence
            waveform = waveform.repeat(self.window // len(waveform))
        return F.pad(waveform, (0, self.window - len(waveform)))

    def preprocessing(self) -> dict[str, Any]:
        extractor = {
            key: value for key, value in self.extractor.to_dict().items() if isinstance(value, str | int | float)
        }
        config, tokenizer = config_values(self.model.config), self._tokenizer_text
        parts: dict[str, Any] = {"extractor": extractor, "config": config, "tokenizer": tokenizer}
        if self.max_tokens != MAX_TOKENS or self.int16:
            parts |= {"max_tokens": self.max_tokens, "int16": self.int16}
        return parts

    def weights_changed(self) -> None:
        with torch.no_grad():
            self.model.logit_scale_t.copy_(self.model.logit_scale_a)  # only one of the two is trained here
        super().weights_changed()

    def save_pretrained(self, folder: Path, card: str, *, half: bool = False) -> None:
        with whole_folder(folder) as temporary:
            model = copy.deepcopy(self.model).half() if half else self.model
            kept = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(CONSTANTS)}
            model.save_pretrained(temporary, state_dict=kept)
            self.tokenizer.save_pretrained(temporary)
            self.extractor.save_pretrained(temporary)
            write_text(temporary / "README.md", card)


class _TextEncoder(nn.Module):
    """Token ids and mask to unit vectors."""

    def __init__(self, model: ClapModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        features = self.model.get_text_features(input_ids=input_ids, attention_mask=attention_mask)
        return F.normalize(features.pooler_output, dim=-1)


def load_hf(source: str, *, original: bool = False) -> HFTeacher:
    """Load a teacher in `ClapModel` format.

    Args:
        source: `demo` (the teacher shipped with tinyclap), a hub id, or a local folder.
        original: as transformers computes it: its default LayerNorm epsilon where the configuration omits one, and
            captions as long as the text tower has positions.

    Raises:
        TinyclapError: not found, not in the cache without a network, fused, or weights that do not fit.
    """
    name = source
    if source == "demo":
        name, source = DEMO, str(resources.files("tinyclap") / "assets" / "demo_teacher")
    checkpoints.refuse_pointers(Path(source))
    try:
        written, _ = ClapConfig.get_config_dict(source)
        if written.get("model_type") != "clap":
            hint = (
                "; it looks like a teacher of tinyclap pretrain: use teacher.kind=dual" if "format" in written else ""
            )
            raise TinyclapError(
                f"teacher {name}: model_type is {written.get('model_type')!r}, but kind: hf loads a 'clap' model{hint}"
            )
        config: Any = ClapConfig.from_dict(written)
        if not original and "layer_norm_eps" not in written.get("text_config", {}):
            config.text_config.layer_norm_eps = ROBERTA_LAYER_NORM_EPS
        model, report = checkpoints.pretrained(ClapModel, source, f"teacher {name}", config=config)
        tokenizer = AutoTokenizer.from_pretrained(source)
        extractor = ClapFeatureExtractor.from_pretrained(source)
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise TinyclapError(_not_loaded(name, source, error)) from error
    _refuse_misfit(name, report)
    check_tokenizer(f"teacher {name}", tokenizer)
    most = config.text_config.max_position_embeddings - 2 if original else MAX_TOKENS  # RoBERTa counts from 2
    teacher = HFTeacher(model, tokenizer, extractor, name=name, licence=licence_of(source), max_tokens=most)
    return teacher.requires_grad_(False).eval()


def _frontend(name: str, extractor: ClapFeatureExtractor, tower: Any) -> FrontendSpec:
    """The front end that the extractor states, if the audio tower can take what it makes."""
    stated = f"teacher {name}: preprocessor_config.json"
    try:
        spec = FrontendSpec(
            sample_rate=extractor.sampling_rate,
            n_fft=extractor.fft_window_size,
            win_length=extractor.fft_window_size,
            hop_length=extractor.hop_length,
            n_mels=extractor.feature_size,
            f_min=extractor.frequency_min,
            f_max=extractor.frequency_max,
        )
    except TinyclapError as error:
        raise TinyclapError(f"{stated}: {error}; take the file that was published with the weights") from error
    longest = tower.spec_size * (tower.spec_size // tower.num_mel_bins)  # HTSAT folds time into rows of bands
    frames = spec.n_frames(extractor.nb_max_samples)
    if spec.n_mels != tower.num_mel_bins or not 1 < frames <= longest:
        raise TinyclapError(
            f"{stated} makes {spec.n_mels} bands and {frames} frames, but the audio tower of config.json takes "
            f"{tower.num_mel_bins} bands and 2 to {longest} frames; take both files from where the weights are from"
        )
    return spec


def _not_loaded(name: str, source: str, error: Exception) -> str:
    said = first_line(error)
    if name == DEMO:
        return f"{DEMO}: {said}; the installation is damaged, install tinyclap again"
    if (source.startswith(("/", ".", "~")) or source.count("/") > 1) and not Path(source).exists():
        return f"teacher {name}: there is no such folder; set teacher.source to a folder, a hub id or demo"
    if Path(source).is_dir():
        return f"teacher {name}: the folder cannot be loaded as a ClapModel: {said}"
    return (
        f"teacher {name}: neither a local folder nor in the Hugging Face cache, and the hub did not provide it "
        f"({said}). Connect once, or fetch it elsewhere with `hf download {name}`, copy the folder here and set "
        "teacher.source to its path"
    )


def _refuse_misfit(name: str, report: dict[str, Any]) -> None:
    extra = [key for key in report["unexpected_keys"] if not key.endswith(CONSTANTS)]
    missing = [key for key in report["missing_keys"] if not key.endswith(CONSTANTS)]
    faults = {
        "missing": missing,
        "unknown": extra,
    }
    checkpoints.refuse_misfit(name, "the weights do not fit the configuration", faults)
