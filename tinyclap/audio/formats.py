"""Which files are sound, by their suffix: what libsndfile decodes, and what needs PyAV or ffmpeg."""

import functools
import importlib.util
import shutil

from tinyclap.common.install import extra_line

SNDFILE_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".mp3", ".opus", ".aiff", ".aif", ".au", ".caf", ".w64"),
    *(".wave", ".aifc", ".rf64", ".bwf", ".snd", ".mp2", ".mp1", ".mpa", ".mpga", ".sph", ".nist", ".voc", ".sf"),
    *(".ircam", ".avr", ".paf", ".pvf", ".svx", ".8svx", ".iff", ".sds", ".htk", ".xi", ".wve"),
)
MEDIA_SUFFIXES = (
    *(".m4a", ".aac", ".mp4", ".m4b", ".mov", ".webm", ".mka", ".mkv", ".wma", ".asf", ".amr", ".3gp", ".ac3", ".eac3"),
    *(".ape", ".wv", ".tta", ".dsf", ".spx", ".ra", ".mpc", ".weba", ".ts", ".avi", ".flv", ".m4v", ".m4r", ".mp4a"),
    *(".3ga", ".3g2", ".awb", ".adts", ".latm", ".dts", ".mlp", ".thd", ".gsm", ".g722", ".adx", ".sox", ".oma"),
    *(".aa3", ".at3", ".qcp", ".rm", ".rmvb", ".shn", ".tak", ".mpg", ".mpeg", ".vob", ".mts", ".m2ts", ".wmv"),
    *(".ogv", ".ogx", ".ogm", ".f4a", ".f4v", ".mxf", ".nut", ".xwma"),
)
RAW_SUFFIXES = (".raw", ".pcm", ".s16", ".s16le", ".f32", ".f32le", ".u8", ".ul", ".al")  # without a header
HOW_TO_DECODE = f"install one of the two that can: {extra_line('formats')} (PyAV), or ffmpeg"


@functools.cache
def media_decoder() -> str | None:
    """What decodes the formats that libsndfile does not: `av` (PyAV), `ffmpeg`, or None where neither is installed."""
    if importlib.util.find_spec("av") is not None:
        return "av"
    return "ffmpeg" if shutil.which("ffmpeg") else None


def audio_suffixes() -> tuple[str, ...]:
    """The suffixes of files that can be decoded here, lower case, the most usual ones first."""
    return SNDFILE_SUFFIXES + (MEDIA_SUFFIXES if media_decoder() else ())
