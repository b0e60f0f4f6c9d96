"""The commands `tinyclap score`, `tinyclap caption` and `tinyclap adapt`. Heavy imports happen inside them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tinyclap.cli.device import BundleArgument, BundleOption, Dim, Head, Int8, Provider, Sounds, Threads, load_bundle
from tinyclap.cli.options import AsCsv, AsJson, refuse_several, tell

if TYPE_CHECKING:
    from tinyclap.matching.encoder import Encoder

matching = typer.Typer()

Together = Annotated[int, typer.Option("--threads", min=1, help="Files embedded at the same time.")]


@matching.command()
def score(
    files: Sounds,
    prompts: Annotated[
        Path | None,
        typer.Option("--prompts", help="Table of the prompts: .csv, .tsv or .jsonl, columns file and prompt."),
    ] = None,
    bundle: BundleOption = None,
    run: Annotated[Path | None, typer.Option("--run", help="Run whose student scores instead of a bundle.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher", metavar="KIND:SOURCE", help="Teacher that scores, e.g. laion:FILE.pt, or a recipe's."
        ),
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option("--reference", help="Other sounds, to which the Frechet and kernel audio distances are."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit the scores to those of the run's teacher, or of --teacher.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="File that `score --calibrate --json` has printed.")
    ] = None,
    clip: Annotated[bool, typer.Option("--clip", help="Count negative cosines as 0.")] = False,
    peak: Annotated[
        float | None, typer.Option("--peak", metavar="DBFS", help="Peak that each sound is brought to first, e.g. -1.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a line for every clip and prompt there.")] = None,
    as_json: AsJson = False,
    file_column: Annotated[
        str | None, typer.Option("--file-column", help="Column that holds the clips' file names.")
    ] = None,
    prompt_column: Annotated[str | None, typer.Option("--prompt-column", help="Column that holds the prompts.")] = None,
    threads: Together = 1,
    provider: Provider = None,
    int8: Int8 = None,
    dim: Dim = None,
) -> None:
    """Say how well sounds fit the prompts they were made of: the CLAP score, with its interval.

    The score is the mean cosine, neither clipped nor multiplied. Sounds are mixed to mono, resampled to the model's
    rate and embedded whole, in windows; prompts are embedded as they are. The interval draws clips again, those of one
    prompt together.

    A score compares with those of the same model only. Papers mostly mean LAION's CLAP: --teacher laion:FILE.pt. A
    student has a scale of its own, which --calibrate takes to its teacher's.
    """
    torch_scores = run is not None or (teacher is not None and not calibrate)
    if torch_scores and (provider, int8, dim) != (None, None, None):
        raise typer.BadParameter(
            "--provider, --int8, --float and --dim are for a bundle; a run or a teacher has no graph"
        )
    if calibrate and calibration is not None:
        raise typer.BadParameter("--calibrate makes what --calibration reads; give one of them")
    refuse_several(run=run is not None, bundle=bundle is not None)
    if teacher is not None and not calibrate and (run is not None or bundle is not None):
        raise typer.BadParameter("--teacher scores by itself; beside --run or --bundle it is for --calibrate")
    from tinyclap.audio.listing import find_sounds
    from tinyclap.common.files import write_text
    from tinyclap.matching.clap_score import read_calibration, refuse_incomplete
    from tinyclap.matching.clap_score import score as score_sounds
    from tinyclap.matching.prompts import read_prompts
    from tinyclap.reports.console import matching as console

    told = None if prompts is None else read_prompts(prompts, file_column, prompt_column)
    others = find_sounds(reference, tell) if reference else None
    sounds = find_sounds(files, tell)
    encoder, theirs = _encoders(bundle, run, teacher, calibrate, (provider, int8, dim))
    settings: dict[str, Any] = {"clip": clip, "peak_dbfs": peak}
    result = score_sounds(
        encoder,
        sounds,
        told,
        roots=[path for path in files if path.is_dir()],
        reference=others,
        teacher=theirs,
        calibration=None if calibration is None else read_calibration(calibration, encoder, **settings),
        **settings,
        workers=threads,
    )
    if csv is not None:
        write_text(csv, console.pairs_csv(result.pairs))
        tell(f"{csv}: {len(result.pairs)} lines")
    typer.echo(console.score_object(result) if as_json else console.score_table(result))
    refuse_incomplete(result)


def _encoders(
    bundle: Path | None,
    run: Path | None,
    teacher: str | None,
    calibrate: bool,
    how: tuple[str | None, bool | None, int | None],
) -> "tuple[Encoder, Encoder | None]":
    """What scores, and the teacher by which it is calibrated.

    Raises:
        BadParameter: to be calibrated, a bundle that no run holds, without a teacher.
    """
    if run is None and teacher is not None and not calibrate:
        from tinyclap.pipelines.clap_score import named_teacher, teacher_encoder

        return teacher_encoder(named_teacher(teacher)), None
    if run is not None:
        from tinyclap.cli.options import chosen_run
        from tinyclap.pipelines.clap_score import student_encoder

        run = chosen_run(run)
        encoder = student_encoder(run)
    else:
        from tinyclap.matching.encoder import bundle_encoder
        from tinyclap.workspace.bundles import run_of

        loaded = load_bundle(bundle, None, how[0], how[1], how[2])
        encoder, run = bundle_encoder(loaded), run_of(loaded.folder)
    if not calibrate:
        return encoder, None
    if teacher is None and run is None:
        raise typer.BadParameter("no run holds this bundle; name the teacher to calibrate by, e.g. --teacher RECIPE")
    from tinyclap.pipelines.clap_score import named_teacher, teacher_encoder, teacher_of_run

    return encoder, teacher_encoder(teacher_of_run(run) if teacher is None and run else named_teacher(str(teacher)))


@matching.command()
def caption(
    files: Sounds,
    captions: Annotated[Path, typer.Option("--captions", help="File of the captions: one a line, or a table.")],
    count: Annotated[int, typer.Option("-n", min=1, help="Captions per file.")] = 3,
    mix: Annotated[
        int | None,
        typer.Option("--mix", min=1, metavar="K", help="Captions per file, at most, that together make up its sounds."),
    ] = None,
    column: Annotated[str | None, typer.Option("--column", help="Column that holds the captions, of a table.")] = None,
    bundle: BundleOption = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    threads: Threads = None,
    provider: Provider = None,
    int8: Int8 = None,
    dim: Dim = None,
    head: Head = None,
) -> None:
    """Find the sentences of a file that fit sounds best.

    The sentences are embedded once and kept. With --mix each further one says what those before it leave out.
    """
    refuse_several(json=as_json, csv=as_csv)
    from tinyclap.audio.listing import find_sounds
    from tinyclap.common.numbers import whole
    from tinyclap.matching.caption_bank import caption_bank, read_captions
    from tinyclap.matching.captions import caption_files, refuse_bad
    from tinyclap.reports.console import matching as console

    texts = read_captions(captions, column)
    sounds = find_sounds(files, tell)
    loaded = load_bundle(bundle, threads, provider, int8, dim, head)
    bank = caption_bank(loaded, texts)
    if bank.left_out:
        tell(f"{whole(len(bank.left_out))} captions left out, no word of which is known: {bank.left_out[0]}")
    if as_csv:
        typer.echo(console.captions_csv(None))
    found = []
    for entry in caption_files(loaded, sounds, bank, count, mix=mix):
        found.append(entry)
        if not as_json and (as_csv or entry.reason is None):
            typer.echo(console.captions_csv(entry) if as_csv else console.caption_lines(entry))
    if as_json:
        typer.echo(console.captions_object(loaded, len(bank.texts), found))
    refuse_bad(found)


@matching.command("adapt")
def adapt_command(
    examples: Annotated[
        Path, typer.Option("--examples", help="Folder with a folder of sounds for each label, named as it is.")
    ],
    bundle: BundleArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the new bundle; by default NAME_OF_EXAMPLES_bundle here.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option("--shots", min=1, help="Examples of each label, drawn; all by default.")
    ] = None,
    method: Annotated[
        Literal["centroid", "linear"], typer.Option("--method", help="Mean of the examples, or a head learned on them.")
    ] = "centroid",
    words: Annotated[
        float | None,
        typer.Option("--words", metavar="N", help="Examples that a label's words count as; 2 by default, 0 for none."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle that is there.")] = False,
    as_json: AsJson = False,
    provider: Provider = None,
    int8: Int8 = None,
) -> None:
    """Teach a bundle labels by a few examples of each; nothing is trained but the labels' vectors.

    The result is a copy of the bundle with these labels in its table. Its accuracy is measured on the examples, each
    held out with its recording: files that were cut from one recording belong into a folder of their own.
    """
    from tinyclap.matching.adapt import adapt, refuse_taken, write_adapted
    from tinyclap.matching.examples import find_examples
    from tinyclap.reports.console import matching as console

    target = out or Path(f"{examples.resolve().name}_bundle")
    refuse_taken(target, overwrite=overwrite)
    found = find_examples(examples, shots=shots, seed=seed)
    loaded = load_bundle(bundle, None, provider, int8)
    made = adapt(loaded, found, method=method, words=words)
    write_adapted(loaded, made, target, overwrite=overwrite)
    for note in console.adapted_notes(made):
        tell(note)
    typer.echo(console.adapted_object(made, target) if as_json else console.adapted_table(made, target))
