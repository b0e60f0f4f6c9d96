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


def library(growth: dict[str, Any], copies: dict[str, Any], files: dict[str, Any] | None) -> str:
    """Both tables, and what a library of many real files takes where that was measured."""
    return "\n".join([_growth(growth), *([] if files is None else [_files(files)]), _copies(copies)])


def _files(told: dict[str, Any]) -> str:
    index, again, changes, find = (told[step] for step in ("index", "again", "changes", "find"))
    base = f" ({three_digits(find['base_cold_s'])} s on the base install)" if "base_cold_s" in find else ""
    return (
        f"**{told['files']:,} real files of {told['seconds_each']:g} s** ({told['environment']['cpu']}, bundle "
        f"`{told['bundle']}`; `library/files`): indexed at {index['files_per_s']:.0f} files a second by "
        f"{index['workers']} cores, {percent(index['decoding_share'])} of the work decoding, in at most "
        f"{file_size(index['peak_rss_bytes'])} of memory; {file_size(sum(index['bytes'].values()))} on the disk beside "
        f"{file_size(index['bytes_of_sounds'])} of sounds. Nothing new: {three_digits(again['wall_s'])} s; "
        f"{changes['changed']:,} changed, {changes['moved']:,} moved and {changes['gone']:,} gone: "
        f"{three_digits(changes['wall_s'])} s. An answer takes {three_digits(find['by_both']['p50_ms'])} ms, in a new "
        f"process {three_digits(find['cold_s'])} s{base}.\n"
    )


def _growth(told: dict[str, Any]) -> str:
    build, environment = told["build"], told["environment"]
    lines = [
        f"**Libraries of several sizes** ({environment['cpu']}, bundle `{told['bundle']}`; `library/growth`). "
        f"{build['files']:,} real files of {build['sound_s'] / build['files']:.1f} s on average are indexed at "
        f"{build['files_per_s']:.0f} files a second, {percent(build['decoding_share'])} of the work decoding; "
        f"an update in which nothing is new takes {three_digits(1e3 * build['again_s'] / build['files'])} ms a file. "
        "Then generated vectors, questions in words, the ten best. *Found*: of the ten nearest by float32 and "
        "comparing all; *by the signs*: of those by the same codes and comparing all. Generated vectors lie "
        "denser the more there are, so that codes tell fewer apart. Memory: the most that was held, comparing all "
        "included." + _base(told),
        "",
        "| rows | codes | an answer | comparing all | of a new process | found | by the signs | vectors | signs "
        "| the rest | memory |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in told["rows"]:
        sizes = row["bytes"]
        lines.append(
            f"| {short_count(row['n'])} | {row['codes']} | {three_digits(row['by_both']['p50_ms'])} ms "
            f"| {three_digits(row['exact']['p50_ms'])} ms | {three_digits(row['cold_s'])} s | {percent(row['recall'])} "
            f"| {percent(row['recall_of_bits'])} | {file_size(sizes['vectors'])} | {file_size(sizes.get('bits'))} "
            f"| {file_size(sizes['catalogue'])} | {file_size(row['peak_rss_bytes'])} |"
        )
    return "\n".join([*lines, ""])


def _base(told: dict[str, Any]) -> str:
    rows = [row for row in told["rows"] if "base_cold_s" in row]
    if not rows:
        return ""
    slowest = max(rows, key=lambda row: row["base_cold_s"])
    return (
        f" On the base install alone ({len(told['base_packages'])} packages, no torch) a new process has answered "
        f"within {three_digits(slowest['base_cold_s'])} s at every size."
    )


def _copies(told: dict[str, Any]) -> str:
    ours, theirs = told["fingerprint"]["reported"], told["cosine"]["reported"]
    lines = [
        f"**Copies of {told['originals']} real files**, six of each, that had no part in making the fingerprint "
        f"(`library/duplicates`): recall {percent(ours['recall'])}, precision {percent(ours['precision'])}. By the "
        f"cosine of the embeddings, at the threshold that suits these files best: recall "
        f"{percent(theirs['recall'])}, precision {percent(theirs['precision'])}; so `tinyclap duplicates` reads the "
        "files again instead.",
        "",
        f"| share that is found | fingerprint, {ours['threshold']} | cosine, {theirs['threshold']} |",
        "| --- | --- | --- |",
        *(
            f"| {name} | {percent(ours['recall_of'][kind])} | {percent(theirs['recall_of'][kind])} |"
            for kind, name in KINDS.items()
        ),
        f"| precision | {decimal(ours['precision'])} | {decimal(theirs['precision'])} |",
    ]
    return "\n".join([*lines, ""])
