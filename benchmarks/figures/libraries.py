"""A library of sounds as Markdown: how fast and how exactly it answers, and which copies it finds."""

from typing import Any

from tinyclap.common.numbers import decimal, file_size, percent, short_count, three_digits

KINDS = {
    "mp3": "mp3, 64 kbit/s",
    "ogg": "Ogg Vorbis",
    "resampled": "half the sample rate",
    "softer": "12 dB softer",
    "cut": "a tenth cut off",
    "everything": "all of these",
}


def library(growth: dict[str, Any], copies: dict[str, Any]) -> str:
    """Both tables."""
    return f"{_growth(growth)}\n{_copies(copies)}"


def _growth(told: dict[str, Any]) -> str:
    build, environment = told["build"], told["environment"]
    lines = [
        f"**Libraries of several sizes** ({environment['cpu']}, bundle `{told['bundle']}`; `library/growth`). Times "
        f"are of a core, since the machine was busy with other work (load {told['load_average'][0]:.0f}).",
        f"{build['files']:,} real files of {build['sound_s'] / build['files']:.1f} s on average are indexed at "
        f"{build['files_per_core_s']:.0f} files a second and core, {percent(build['decoding_share'])} of it decoding; "
        f"an update in which nothing is new takes {three_digits(1e3 * build['again_s'] / build['files'])} ms a file. "
        "Generated vectors, questions in words, the ten best:",
        "",
        "| rows | codes | an answer | comparing all | of a new process | found of the ten nearest | vectors | bits "
        "| the rest | memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in told["rows"]:
        sizes = row["bytes"]
        lines.append(
            f"| {short_count(row['n'])} | {row['codes']} | {three_digits(row['by_sound']['core_p50_ms'])} ms "
            f"| {three_digits(row['exact']['core_p50_ms'])} ms | {three_digits(row['cold_core_s'])} s "
            f"| {percent(row['recall'])} | {file_size(sizes['vectors'])} | {file_size(sizes.get('bits'))} "
            f"| {file_size(sizes['catalogue'])} | {file_size(row['peak_rss_bytes'])} |"
        )
    return "\n".join([*lines, ""])


def _copies(told: dict[str, Any]) -> str:
    least = told["fingerprint"]["threshold"]
    held = told["fingerprint"]["reported"]
    best = told["cosine"]["reported"]
    (row,) = [row for row in told["fingerprint"]["rows"] if row["threshold"] == least]
    (same,) = [row for row in told["cosine"]["rows"] if row["threshold"] == best["threshold"]]
    lines = [
        f"**Copies of {told['originals']} real files**, six of each (`library/duplicates`). By fingerprint, from a "
        f"similarity of {least} on, chosen on half of the originals: on the others recall {percent(held['recall'])}, "
        f"precision {percent(held['precision'])}. By the embeddings' cosine, chosen likewise: recall "
        f"{percent(best['recall'])}, precision {percent(best['precision'])}, so `tinyclap duplicates` does not use it.",
        "",
        f"| share that is found | fingerprint, {least} | cosine, {best['threshold']} |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {percent(row['recall_of'][kind])} | {percent(same['recall_of'][kind])} |"
            for kind, name in KINDS.items()
        ),
        f"| precision | {decimal(row['precision'])} | {decimal(same['precision'])} |",
    ]
    return "\n".join([*lines, ""])
