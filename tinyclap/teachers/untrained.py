"""Untrained teachers for `tinyclap pretrain`: towers, tokenizers and front ends of chosen sizes."""

from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    ClapAudioConfig,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    ClapTextConfig,
    PreTrainedTokenizerFast,
)

from tinyclap.audio.log_mel.spec import FrontendSpec
from tinyclap.errors import TinyclapError
from tinyclap.models.student import Student
from tinyclap.models.student_config import StudentConfig
from tinyclap.models.vit.config import VitConfig
from tinyclap.teachers.dual.pair import AnyTower, DualTeacher
from tinyclap.teachers.dual.towers import LINEAR, MAX_TEXT_TOKENS, Cnn14Tower, Head, Pooling, TextTower
from tinyclap.teachers.dual.vit import VitTower
from tinyclap.teachers.hf import MAX_TOKENS, HFTeacher
from tinyclap.teachers.sentence_encoder import load_transformer

SPECIAL_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # RoBERTa's, in its order


def train_tokenizer(captions: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer in RoBERTa's format, learned from captions; it can spell any text.

    Raises:
        TinyclapError: `vocab_size` below the 256 bytes and the special tokens.
    """
    smallest = 256 + len(SPECIAL_TOKENS)
    if vocab_size < smallest:
        raise TinyclapError(f"text.vocab_size is {vocab_size}; a byte-level vocabulary needs at least {smallest}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    begin, end = (SPECIAL_TOKENS[0], 0), (SPECIAL_TOKENS[2], 2)
    tokenizer.post_processor = processors.RobertaProcessing(end, begin, add_prefix_space=True)
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL_TOKENS, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, cls_token="<s>", sep_token="</s>", **names
    )


def new_clap(
    captions: Sequence[str],
    *,
    embed_dim: int,
    vocab_size: int,
    text_hidden_size: int,
    text_layers: int,
    text_heads: int,
    depths: Sequence[int],
    heads: Sequence[int],
    patch_embeds_hidden_size: int,
    patch_size: int = 4,
    dropout: float = 0.1,
    logit_scale: float,
    name: str,
) -> HFTeacher:
    """An untrained `ClapModel` (HTSAT and RoBERTa) with LAION's front end and a tokenizer learned from the captions."""
    tokenizer = train_tokenizer(captions, vocab_size)
    text = ClapTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=text_hidden_size,
        num_hidden_layers=text_layers,
        num_attention_heads=text_heads,
        intermediate_size=4 * text_hidden_size,
        max_position_embeddings=MAX_TOKENS + 2,  # RoBERTa counts positions from the padding id, 1
        projection_dim=embed_dim,
        layer_norm_eps=1e-5,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    audio = ClapAudioConfig(
        depths=list(depths),
        num_attention_heads=list(heads),
        patch_embeds_hidden_size=patch_embeds_hidden_size,
        hidden_size=patch_embeds_hidden_size * 2 ** (len(depths) - 1),
        num_hidden_layers=len(depths),
        patch_size=patch_size,
        patch_stride=[patch_size, patch_size],
        hidden_dropout_prob=dropout,
        projection_dim=embed_dim,
    )
    config = ClapConfig(
        text_config=text.to_dict(),
        audio_config=audio.to_dict(),
        projection_dim=embed_dim,
        logit_scale_init_value=float(logit_scale),
    )
    extractor = ClapFeatureExtractor(
        truncation="rand_trunc", padding="repeatpad", frequency_min=50, frequency_max=14_000
    )
    return HFTeacher(ClapModel(config), tokenizer, extractor, name=name)


def new_dual(
    audio: StudentConfig | tuple[FrontendSpec, float | VitConfig, Head],
    text: TextTower,
    *,
    embed_dim: int,
    window_s: float,
    prompts: Sequence[str],
    logit_scale: float,
    name: str,
) -> DualTeacher:
    """An untrained audio tower beside a text tower.

    The audio tower is a PhiNet by its configuration; CNN14 by front end, width and head; or a transformer over patches
    by front end, shape and head.
    """
    if isinstance(audio, StudentConfig):
        tower: AnyTower = Student(audio)
    else:
        frontend, shape, head = audio
        if isinstance(shape, VitConfig):
            tower = VitTower(frontend, shape, embed_dim, head)
        else:
            tower = Cnn14Tower(frontend, shape, embed_dim, head)
    return DualTeacher(tower, text, window_s=window_s, prompts=tuple(prompts), logit_scale=logit_scale, name=name)


def pretrained_text(
    source: str,
    embed_dim: int,
    *,
    frozen: bool,
    head: Head = LINEAR,
    max_tokens: int = MAX_TEXT_TOKENS,
    pooling: Pooling = "mean",
) -> TextTower:
    """Any `transformers` encoder as a text tower; raises as `load_transformer` does."""
    encoder, tokenizer = load_transformer(source, "text.source")
    return TextTower(encoder, tokenizer, embed_dim, frozen=frozen, head=head, max_tokens=max_tokens, pooling=pooling)


def new_text(
    captions: Sequence[str],
    embed_dim: int,
    *,
    vocab_size: int,
    hidden_size: int,
    layers: int,
    heads: int,
    head: Head = LINEAR,
    pooling: Pooling = "mean",
) -> TextTower:
    """A small BERT from scratch, with a tokenizer learned from the captions."""
    tokenizer = train_tokenizer(captions, vocab_size)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=MAX_TOKENS + 2,
        pad_token_id=tokenizer.pad_token_id,
    )
    return TextTower(BertModel(config), tokenizer, embed_dim, frozen=False, head=head, pooling=pooling)
