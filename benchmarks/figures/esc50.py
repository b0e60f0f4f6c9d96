"""What the README tables say of teachers made of taggers, on real ESC-50."""

from typing import Any

from tinyclap.common.numbers import file_size, percent, percent_interval, points, scaled


def taggers(teacher: dict[str, Any], everyday: dict[str, Any]) -> str:
    """A tagger with a sentence encoder in both spaces, and the bundle of `tinyclap get everyday`."""
    tagger, probes, bundle = teacher["tagger"], teacher["embedding"], everyday["rows"]
    rows = [
        f"| {row['space']} | {'yes' if row['calibrated'] else 'no'} | {row['dimensions']} | "
        f"{percent(row['all']['accuracy'])} {percent_interval(row['all']['ci95'])} | "
        f"{percent(row['chosen_on']['accuracy'])} | {percent(row['reported_on']['accuracy'])} | "
        f"{row['all']['map']:.3f} |"
        for row in teacher["rows"]
    ]
    table = "\n".join(rows)
    graphs = "\n".join(
        f"| {name} | {file_size(row['size_bytes'])} | {row['ms']:.1f} ms | {percent(row['accuracy'])} "
        f"{percent_interval(row['ci95'])} |"
        for name, row in bundle.items()
        if name in ("float", "int8")
    )
    own = bundle["own words"]
    less = points(own["minus_int8"]["difference"], own["minus_int8"]["difference_ci95"])
    size = f"{scaled(tagger['parameters'])} parameters, {scaled(tagger['macs'])} MACs for 5 s"
    return f"""EfficientAT's {tagger["name"]} ({size}) and all-MiniLM-L6-v2, neither trained
here, on {teacher["n_clips"]} clips of ESC-50 (folds 1, 2, 3, 5; copies at 16 kHz;
`esc50/teacher`). Settings were chosen on folds 1-3:

| space | calibrated | dimensions | zero-shot accuracy | folds 1-3 | fold 5 | mAP of text to sound |
| --- | --- | --- | --- | --- | --- | --- |
{table}

With labels, the tagger's last hidden layer tells more: {percent(probes["knn"])} by ten nearest neighbours and
{percent(probes["linear_probe"])} by a linear probe, each fold by the others.

The bundle of `tinyclap get everyday` on the same clips, from 5 s of sound to its embedding on one thread
(`esc50/everyday`; its teacher in torch: {percent(bundle["teacher"]["accuracy"])}). In the smaller file the weights are
INT8 and the arithmetic is float, so it is not faster. Its own words, a text student of
{file_size(own["size_bytes"])}, name the classes as well: {percent(own["accuracy"])} {percent_interval(own["ci95"])},
{less} beside the teacher's words, {own["ms"]:.2f} ms a label. The whole bundle takes
{file_size(everyday["bundle_bytes"])}; a process that names a clip by labels that it has never met answers after
{everyday["first_answer_s"]:.2f} s.

| graph | size | time | zero-shot accuracy |
| --- | --- | --- | --- |
{graphs}
"""


def words(found: dict[str, Any], others: dict[str, Any]) -> str:
    """Text students by kind and size, and what else makes words small."""
    rows = sorted(found["rows"], key=lambda row: (row["held_out"], row["row"].split()[0], row["size_bytes"]))
    learned = "\n".join(f"| {_words_name(row)} | {_words_row(row)} |" for row in rows)
    beside = "\n".join(f"| {row['row']} | {_words_row(row)} |" for row in others["rows"])
    return f"""Text students of the ready-made bundle's teacher, learned from captions alone, as INT8 graphs with their
tokenizer (`words/students`, recipe `everyday_words`); below them what else makes words small (`words/baselines`).
Zero-shot accuracy is with the bundle's ears; in brackets its difference to that with the teacher's words, whose 95 %
interval draws recordings. Neighbours: how many of the teacher's ten nearest among 1,000 captions are found again
({found["captions"]}). Time is that of a label on one thread. "Names held out": no caption held a word of a class name
or a synonym.

| words | size | ESC-50 | ESC-10 | neighbours | time |
| --- | --- | --- | --- | --- | --- |
{learned}
{beside}
"""


def _words_name(row: dict[str, Any]) -> str:
    said = {"held_out": "names held out", "keep_table": "table kept", "more": "AudioCaps learned"}
    said |= {"all_words": "all of WordNet learned"}
    _, *wide = row["row"].split(", ")
    return ", ".join([row["row"].split()[0], *wide, *(words for key, words in said.items() if row.get(key))])


def _words_row(row: dict[str, Any]) -> str:
    fifty, less = row["esc50"], points(row["esc50"]["difference"], row["esc50"]["difference_ci95"])
    cells = [file_size(row["size_bytes"]), f"{percent(fifty['accuracy'])} ({less})", percent(row["esc10"]["accuracy"])]
    return " | ".join([*cells, percent(row["neighbours"]), f"{row['ms']:.2f} ms"])


SHOWN = (0.9, 0.95, 0.99)


def unknown(found: dict[str, Any]) -> str:
    """What the everyday bundle does with sounds that are none of its labels."""
    rows = "\n".join(
        f"| {row['labels']} | {row['threshold']:g} | {percent(shares['missed'])} | {percent(shares['confused'])} | "
        f"{percent(shares['false_alarms'])}, {shares['false_alarms_per_hour']:.0f} | "
        f"{percent(shares['false_alarms_pool'])}, {shares['false_alarms_pool_per_hour']:.0f} |"
        for row in found["thresholds"]
        if row["threshold"] in SHOWN
        for shares in [row["reported_on"]]
    )
    areas = {
        (rule["rule"], rule["labels"]): f"{rule['area']:.3f}" for rule in found["rules"] if rule["labels"] in (1, 10)
    }
    names = list(dict.fromkeys(rule for rule, _ in areas))
    chosen = "\n".join(f"| {name} | {areas[name, 1]} | {areas[name, 10]} |" for name in names)
    clips = found["clips"]
    return f"""Some classes of ESC-50 are the labels of the everyday bundle; clips of the other classes and
{clips["pool"]} windows of other sounds (games, speech, phones, instruments; some of them are of the labels) must be
unknown (`esc50/unknown`; fold 5, {clips["reported_on"]} clips). False alarms are given as a share and per hour, with a
decision every 5 s. A threshold of 0.95 allows 5 %:

| labels | threshold | missed | given another label | false alarms: other classes | other sounds |
| --- | --- | --- | --- | --- | --- |
{rows}

Area under the curve of known against unknown clips on folds 1-3, where the rule was chosen; a cosine alone ranks as
well, but does not say how many other sounds reach it:

| score | 1 label | 10 labels |
| --- | --- | --- |
{chosen}
"""


def examples(found: dict[str, Any]) -> str:
    """What a few examples add to words."""
    rows = "\n".join(
        f"| {row['shots']} | {row['method']}{' and words' if row['words'] else ''} | {percent(row['accuracy'])} "
        f"{percent_interval(row['ci95'])} | {points(row['gain'], row['gain_ci95'])} |"
        for row in found["rows"]
    )
    unknown = "\n".join(
        f"| {row['shots'] or 'words alone'} | {row['background']} | {percent(row['right'])} | "
        f"{percent(row['false_answers'])} |"
        for row in found["unknown"]
    )
    words = found["words"]
    return f"""The everyday bundle with labels from 1, 5 or 10 examples of each of ESC-50's classes, as `tinyclap adapt`
makes them (`esc50/adapt`): examples of folds 1-3, the mean of {found["draws"]} draws, tested on the
{found["n_clips"]} clips of fold 5. The words alone: {percent(words["accuracy"])} {percent_interval(words["ci95"])}.
Words count as {found["words_count"]:g} examples, which among folds 1-3 did as well as 1 on the mean, and better than
4 or 8.

| examples | labels | accuracy | beside the words alone |
| --- | --- | --- | --- |
{rows}

At a threshold of 0.95, with half of the classes as labels: clips of these named rightly, and clips of the others that
get a label all the same. Judged by vectors of the background's classes that are made of words, or as `adapt` writes
them, of examples:

| examples | background | named rightly | others named |
| --- | --- | --- | --- |
{unknown}
"""
