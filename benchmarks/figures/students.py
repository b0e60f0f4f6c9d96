"""Figures of students: the quickstart, real audio, the device, pruned, for a board."""

from typing import Any

from tinyclap.common.numbers import binary_size, decimal, duration, file_size, percent, percent_interval, points, scaled


def quickstart(result: dict[str, Any]) -> str:
    """What the first command takes and reaches."""
    first, second = result["first"], result["second_with_the_same_teacher_and_data"]
    environment = result["environment"]
    return f"""**The quickstart** ({environment["cpu"]}, {environment["threads"]} threads; `training/quickstart`): \
{duration(first["wall_s"])}, {result["peak_rss_bytes"] / 1e9:.1f} GB of memory. A second distillation with the same
teacher and data, {duration(second["wall_s"])}, ran {second["teacher_forwards"]} teacher passes.

| {first["n_clips"]} generated clips that nobody trained on | demo teacher | student |
| --- | --- | --- |
| zero-shot accuracy | {_with_interval(first, "teacher")} | {_with_interval(first, "student")} |
| kept | | {percent(first["retention"])} |
| parameters of the audio encoder | {scaled(first["teacher_parameters"])} | {scaled(first["student_parameters"])} |
| MACs per second of audio | {_macs(first, "teacher")} | {_macs(first, "student")} |
"""


def esc10(views: dict[str, Any], fixed: dict[str, Any], unseen: dict[str, Any], alone: dict[str, Any]) -> str:
    """Teacher and students on real audio, in cross-validation."""
    ours, plain = views["summary"]["views"], fixed["summary"]["fixed"]
    row = views["runs"][0]
    tracked = unseen["unseen_classes"]
    strangers = tracked["test_fold"]
    (timed,) = alone["runs"]
    return f"""**Real audio** (ESC-10, {ours["n_clips"]} clips from {ours["n_recordings"]} recordings; every fold of \
{", ".join(map(str, views["folds"]))} is tested by
a teacher pretrained and students distilled on the others; {len(views["seeds"])} seeds with views, \
{len(fixed["seeds"])} with fixed clips; intervals draw whole
recordings; `esc10/study`):

| | parameters (trunk) | zero-shot accuracy | kept | centred cosine | 10-NN overlap |
| --- | --- | --- | --- | --- | --- |
| teacher | {scaled(row["teacher_parameters"])} | {percent(ours["teacher_accuracy"])} \
{percent_interval(ours["teacher_ci95"])} | | | |
{_student_row("student, views", row, ours)}
{_student_row("student, fixed clips", row, plain)}

The overlap is that of a fold's {row["n_clips"]} clips, where chance finds {percent(row["knn10_chance"])}. A student \
takes {duration(timed["student_wall_s"])} from an
empty cache to its report on {alone["collected_with"]["threads"]} threads with nothing beside it (fold {timed["fold"]}).

Sounds that the student never met: of two classes left out of its training, the test fold's clips \
({strangers["n_clips"]}, of folds {", ".join(map(str, unseen["folds"]))}; {strangers["n_runs"]} runs)
keep a centred cosine of {decimal(strangers["centred_cosine"])}, and {percent(strangers["knn10_overlap"])} of \
their teacher's ten nearest among all {tracked["gallery"]} clips
are found again (chance {percent(tracked["knn10_chance"])}). The teacher had heard {strangers["teacher_heard"]}.
Settings were chosen on folds 1 and 2 without fold 5 (`benchmarks/results/esc10_choices.json`), which had been looked at
once before, for the teacher's augmentation.
"""


def device(frontends: dict[str, Any], int8: dict[str, Any], base: dict[str, Any]) -> str:
    """What a bundle takes on one thread, and what INT8 changes."""
    chosen = f"frames_split_{frontends['splits']}{'_folded' if frontends['fold'] else ''}"
    small, published = (frontends["students"][name]["forms"][chosen] for name in ("small", "reference"))
    low, high = (100 * end for end in int8["int8_minus_float_ci95"])
    shape = int8["latency"]["published_shape"]["float_over_int8"]
    own = int8["latency"]["student"]["float_over_int8"]
    return f"""**On the device** (one thread of ONNX Runtime on the same machine; `device/onnx_frontend`, \
`esc10/int8`, `device/base_install`):
5 s of sound to its embedding in {small["waveform_to_embedding_ms"]:.2f} ms for the default student; for \
tinyCLAP's published shape the front end adds {100 * published["over_encoder_alone"] - 100:.0f} % to its time. \
INT8 makes the log-mel graph {int8["sizes"]["logmel"]["ratio"]:.2f} times as large \
({file_size(int8["sizes"]["logmel"]["int8_bytes"])}) and changes ESC-10's accuracy by
{points(int8["int8_minus_float"], None)} [{low:+.1f}, {high:+.1f}] ({int8["n_runs"]} runs); it is {shape:.2f} times as \
fast as float for the published shape and {own:.2f} times for our
student, so measure before you choose. The install without torch takes {base["installed_bytes"] / 1e6:.0f} MB; \
the first `tinyclap classify` answers after {base["first_classify_s"]:.2f} s.
"""


def pruned(result: dict[str, Any], codes: dict[str, Any]) -> str:
    """What fewer dimensions keep."""
    rows = {(row["method"], row["dim"]): row for row in result["sweep"]}
    dims = [dim for dim in (128, 64, 32, 16) if ("rotation", dim) in rows]
    whole = next(row for row in result["sweep"] if row["method"] == "none")
    methods = ("rotation", "magnitude", "magnitude, head trained again", "random")
    lines = [f"| {method} | " + " | ".join(_kept(rows[method, dim]) for dim in dims) + " |" for method in methods]
    return "\n".join(
        [
            f"**Pruned** from {whole['dim']} dimensions (ESC-10, {result['n_runs']} students; `esc10/prune`):",
            "the share of the unpruned accuracy that is kept, and the 10-NN overlap with the teacher (unpruned "
            f"{percent(whole['overlap'])}):",
            "",
            "| dimensions | " + " | ".join(map(str, dims)) + " |",
            "| --- |" + " --- |" * len(dims),
            *lines,
            "",
            f"**Stored** in fewer bytes (`tinyclap embed --dtype`; {codes['n_clips']} clips, `esc10/codes`), "
            "and the share of",
            "each clip's ten nearest by unpruned float32 that is still found:",
            "",
            *_stored(codes),
            "",
        ]
    )


def boards(search: dict[str, Any], board: dict[str, Any], costs: dict[str, Any], latency: dict[str, Any]) -> str:
    """What the search gains, and what a student for a board keeps."""
    lines = []
    for name, change in search["differences"].items():
        searched, by_lot = (decimal(change[f"{arm} centred_cosine"]) for arm in ("searched", "by lot"))
        low, high = change["centred_cosine_ci95"]
        gain = f"+{change['centred_cosine']:.3f} [{low:+.3f}, {high:+.3f}]"
        lines.append(
            f"| {name} | {searched} | {by_lot} | {gain} | {points(change['accuracy'], change['accuracy_ci95'])} |"
        )
    flash, ram = (binary_size(board["costs"][f"{name}_bytes"]) for name in ("flash", "ram"))
    counted, taken = costs["enumeration"], latency["held_out"]["median_relative_error"]
    return "\n".join(
        [
            f"**A board's budget** (ESC-10, fold 5, {len(search['outcomes']) // len(lines) // 2} seeds; "
            "`esc10/search`): the student that `search` finds, against",
            f"the best of {search['trials']} drawn at random among all that fit, with as many short trainings and an "
            "equal last one:",
            "",
            "| budget | searched, centred cosine | at random | difference | in accuracy |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
            f"On the {board['device']}, at most {scaled(board['budget']['macs'])} MACs (`esc10/board`):",
            f"{flash} of weights and {ram} of activations in INT8, {percent(board['int8_accuracy'])} on "
            f"{board['n_clips']} clips, where the one without limits has {percent(board['unconstrained_accuracy'])}.",
            f"Parameters, MACs and peak activations of {costs['students']} random students are counted exactly, "
            f"{counted['students'] / 1e6:.1f} million students in",
            f"{counted['seconds']:.1f} s (`device/costs`); times of students that were not timed are predicted",
            f"with a median error of {percent(taken)} (`device/latency`).",
            "",
        ]
    )


def _stored(codes: dict[str, Any]) -> list[str]:
    """A table of what the forms of two widths keep."""
    rows = {(row["dim"], row["form"]): row for row in codes["rows"]}
    forms = ("float32", "float16", "int8", "binary")
    dims = (max(row["dim"] for row in codes["rows"]), 64)
    lines = [
        f"| {dim} | "
        + " | ".join(
            f"{percent(row['kept_of_unpruned'])}, {row['bytes']} bytes" for row in (rows[dim, form] for form in forms)
        )
        + " |"
        for dim in dims
    ]
    return [f"| dimensions | {' | '.join(forms)} |", "| --- |" + " --- |" * len(forms), *lines]


def _kept(row: dict[str, Any]) -> str:
    return f"{percent(row['retention'])}, {percent(row['overlap'])}"


def _student_row(name: str, row: dict[str, Any], arm: dict[str, Any]) -> str:
    accuracy = f"{percent(arm['student_accuracy'])} {percent_interval(arm['student_ci95'])}"
    kept = f"{percent(arm['retention'])} {percent_interval(arm['retention_ci95'])}"
    close = f"{decimal(arm['centred_cosine'])} | {percent(arm['knn10_overlap'])}"
    size = f"{scaled(row['student_parameters'])} ({scaled(row['trunk_parameters'])})"
    return f"| {name} | {size} | {accuracy} | {kept} | {close} |"


def _with_interval(result: dict[str, Any], model: str) -> str:
    return f"{percent(result[f'{model}_accuracy'])} {percent_interval(result[f'{model}_ci95'])}"


def _macs(result: dict[str, Any], model: str) -> str:
    return scaled(result[f"{model}_macs"] / result[f"{model}_window_s"])
