"""Figures beside other models: times and costs, and one trunk trained in four ways."""

from typing import Any

from tinyclap.common.numbers import decimal, file_size, percent, percent_interval, points, scaled


def towers(result: dict[str, Any]) -> str:
    """Times and costs beside the published models."""
    models, environment = result["models"], result["environment"]
    ours, small, laion = models["ours"], models["ours-int8"], models["laion-htsat-tiny"]
    lines = []
    for key, model in models.items():
        name = f"**{model['name']}**" if key.startswith("ours") else model["name"]
        measured = f"{percent(model['accuracy'])} on ESC-10" if model.get("accuracy") else model["published"] or ""
        lines.append(
            f"| {name} | {scaled(model['parameters'])} | {scaled(model['macs_per_s'])} | {model['clip_ms']:.1f} "
            f"| {file_size(model['file_bytes'])} | {measured} |"
        )
    faster, fewer = laion["clip_ms"] / ours["clip_ms"], laion["clip_macs"] / ours["clip_macs"]
    smaller = laion["file_bytes"] / small["file_bytes"]
    return "\n".join(
        [
            f"**Beside the published models** ({environment['cpu']}, ONNX Runtime {environment['onnxruntime']}, "
            f"{environment['threads']} thread, waveform to embedding; `models/run`).",
            "They take turns, and the large ones leave the small ones no cache. Weights of the others are random, of",
            "published shapes: their accuracies are as reported, not measured here:",
            "",
            "| | parameters | MACs per second of audio | ms for a clip of 5 s | file | accuracy |",
            "| --- | --- | --- | --- | --- | --- |",
            *lines,
            "",
            f"For a clip of 5 s our default student is **{faster:.0f} times as fast** as LAION's HTSAT tiny, with "
            f"**{fewer:.0f} times fewer MACs**, and as INT8",
            f"**{smaller:.0f} times smaller**; for 10 s, which LAION's window holds, {faster / 2:.0f} times as fast.",
            f"It keeps {percent(ours['retention'])} of the accuracy of its own teacher, which was made here: LAION's "
            "weights could not be",
            "had where this was measured.",
            "",
            "![Accuracy against latency and MACs](results/pareto_1thread.png)",
            "",
        ]
    )


def trainings(baselines: dict[str, Any], throughput: dict[str, Any], growth: dict[str, Any]) -> str:
    """One trunk trained in four ways, and what training takes."""
    arms, gains = baselines["arms"], baselines["ours_minus"]
    given = {
        "supervised": "labels; names only these classes",
        "contrastive": "labels as captions, a text tower",
        "paper": "a teacher; tinyCLAP's settings",
        "ours": "a teacher; recipe `esc10`",
    }
    lines = []
    for name, arm in arms.items():
        gain = gains.get(name)
        difference = points(gain["accuracy"], gain["accuracy_ci95"]) if gain else ""
        close = decimal(arm["centred_cosine"]) if "centred_cosine" in arm else ""
        accuracy = f"{percent(arm['accuracy'])} {percent_interval(arm['accuracy_ci95'])}"
        lines.append(f"| {name} | {given[name]} | {accuracy} | {difference} | {close} |")
    first, last = growth["rows"][0], growth["rows"][-1]
    fast, published = (throughput["students"][name] for name in ("ours", "published"))
    return "\n".join(
        [
            f"**One trunk, four trainings** (ESC-10, {arms['ours']['n_clips']} clips, {arms['ours']['n_runs']} runs of "
            f"{baselines['epochs']} epochs each, a teacher for each fold,",
            f"{percent(baselines['teacher_accuracy'])} on average; `esc10/train_baselines` says what each is given):",
            "",
            "| | is given | accuracy | ours minus it | centred cosine to the teacher |",
            "| --- | --- | --- | --- | --- |",
            *lines,
            "",
            f"`distill` trains our default student on {fast['ratio']:.0f} times as many clips per second as a loop",
            "that runs Microsoft CLAP 2022 in every step; the published student, which is costly itself, on "
            f"{published['ratio']:.1f} times",
            f"as many ({'CPU' if throughput['device'] == 'cpu' else 'GPU'}, `training/throughput`).",
            f"Embedding {scaled(last['clips'])} clips took {last['wall_s'] / first['wall_s']:.0f} times as long as "
            f"{scaled(first['clips'])}, in {growth['memory_ratio']:.2f} times the memory (`training/growth`).",
            "",
        ]
    )
