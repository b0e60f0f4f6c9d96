"""Work that many share as Markdown: how it grows with their number, and what it asks of the one that hands it out."""

from typing import Any

from tinyclap.common.numbers import duration, file_size, percent, short_count, three_digits

COLUMNS = "| | embeddings/s | beside cores that share nothing | with the start | first part after | runs |"


def scale(embedding: dict[str, Any] | None, driver: dict[str, Any] | None) -> str:
    """What was measured of both; a line where nothing was."""
    parts = [*([] if embedding is None else [_embedding(embedding)]), *([] if driver is None else [_driver(driver)])]
    return "\n".join(parts) or "Not measured yet.\n"


def _embedding(told: dict[str, Any]) -> str:
    environment, rows = told["environment"], told["rows"]
    lines = [
        f"**Teacher embeddings by several** ({environment['cpu']}, Ray {environment['ray']}, medians; "
        f"`scale/embedding`): {told['clips'] * told['views']:,} views of 1 s in parts of "
        f"{told['part_rows']}, a thread each. Two processes that know nothing "
        f"of each other are {three_digits(told['two_cores_give'])} times as fast as one: that is what two cores give. "
        f"Runs of one way differ by up to {percent(max(row['steady_spread'] for row in rows))}.",
        "",
        COLUMNS,
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        way = row["way"]
        lines.append(
            f"| {way} | {row['steady_per_s']:.0f} | {percent(told['efficiency'][way])} "
            f"| {percent(told['efficiency_whole'][way])} | {three_digits(row['first_part_s'])} s | {row['n']} |"
        )
    ray = {row["way"]: row for row in rows}
    cpu = ray["two Ray nodes"]["driver_cpu_s_per_part"]
    lines += [
        "",
        f"Ray's workers begin {three_digits(told['ray_start_s'])} s later than processes; a part then takes "
        f"{three_digits(1e3 * cpu)} ms of the command's own processor time "
        f"({three_digits(1e3 * ray['two workers']['driver_cpu_s_per_part'])} ms with processes).\n",
    ]
    return "\n".join(lines)


def _driver(told: dict[str, Any]) -> str:
    tiny, wide, clips, far = (told[key] for key in ("tiny", "wide", "clips", "extrapolated"))
    part_ms, marks = 1e3 * wide["cpu_s_per_part"], tiny["block_bytes_per_million_clips"]
    first, half, last = (f"{tiny['memory_mb'][key]:.0f} MB" for key in ("first", "half", "last"))
    held, load_s, memory_mb = clips["all"], clips["all"]["load_s"], clips["all"]["memory_mb"]
    share = far["share_of_driver_at_1000_htsat_cores"]
    return (
        f"**{told['workers']:,} simulated workers** (`scale/driver`). A part of {file_size(wide['part_bytes'])} takes "
        f"{three_digits(part_ms)} ms of the driver, file and array included. Over {short_count(tiny['clips'])} clips "
        f"it holds {first} after the first parts, {half} at half, {last} at the end, and at most "
        f"{tiny['files_at_most']:,} files; a million embeddings add {file_size(marks)} of marks. What is known of "
        f"{short_count(held['clips'])} decoded clips: {file_size(held['disk_bytes'])} on the disk, {memory_mb:.0f} MB "
        f"in each process, read in {three_digits(load_s)} s.\n\n"
        f"Extrapolated: one driver takes {far['parts_per_s']:.0f} such parts a second. Of LAION's HTSAT, at 6 clips a "
        f"second and core, a part takes a core {duration(far['htsat_part_s'])}; a driver would be busy with "
        f"some {round(far['htsat_cores'], -3):,.0f} cores, and 1,000 take {percent(share)} of it. What Ray adds to a "
        "part is in the table above.\n"
    )
