"""The commands `tinyclap export` and `tinyclap convert`. Heavy imports happen inside them."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from tinyclap.cli.options import AsJson, RunArgument, chosen_bundle, chosen_run, tell

exporting = typer.Typer()


@exporting.command("export")
def export_command(
    run: RunArgument = None,
    _: Annotated[bool, typer.Option("--onnx", help="As a bundle of ONNX graphs (the default).")] = True,
    int8: Annotated[bool, typer.Option("--int8", help="Add an INT8 graph, calibrated on training clips.")] = False,
    input_kind: Annotated[
        Literal["waveform", "logmel"] | None,
        typer.Option("--input", help="What the graph takes; waveform puts the front end into it (the default)."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help='"dog, rain", or a file with one label per line; by default the classes of the test set.'),
    ] = None,
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            "--prompts", metavar="TEMPLATE", help="Of the labels, with {}; by default the recipe's. Repeatable."
        ),
    ] = None,
    text: Annotated[
        bool,
        typer.Option("--text", help="Add words, for labels chosen on the device: the run's own, or the teacher's."),
    ] = False,
    words: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Add the words that `tinyclap distill-text` made in this run.")
    ] = None,
    head: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of several teachers one alone, as a bundle of its own.")
    ] = None,
    table_bits: Annotated[
        int, typer.Option("--table-bits", metavar="8|4", help="Of a text student's word pieces, with --int8.")
    ] = 8,
    static_s: Annotated[
        float | None,
        typer.Option(
            "--static",
            metavar="SECONDS",
            help="Add a graph of fixed shape for microcontroller tool chains; with --int8 its INT8 too.",
        ),
    ] = None,
    static_for: Annotated[
        Literal["st", "esp"] | None,
        typer.Option(
            "--static-for", help="With --static: refuse operators that ST Edge AI or ESP-PPQ do not list as theirs."
        ),
    ] = None,
    opset: Annotated[
        int | None, typer.Option(metavar="N", help="Of ONNX, for all graphs: 15 and above; 20 by default.")
    ] = None,
    wheel: Annotated[
        bool, typer.Option("--wheel", help="Add tinyclap itself, to install on the device from the bundle.")
    ] = False,
    c: Annotated[
        Path | None,
        typer.Option("--c", metavar="OUT", help="As C99 for a microcontroller in this folder instead; also --int8."),
    ] = None,
    tflite: Annotated[
        Path | None,
        typer.Option("--tflite", metavar="OUT.tflite", help="As a TensorFlow Lite Micro file instead, in INT8."),
    ] = None,
    tflite_input: Annotated[
        Literal["int8", "int16"] | None,
        typer.Option("--tflite-input", help="With --tflite: what it takes decibels as (int8)."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="With --c or --tflite: refuse what does not fit; see `tinyclap devices`."),
    ] = None,
    hop_s: Annotated[
        float | None, typer.Option("--hop", metavar="SECONDS", help="With --c: between two answers of a stream (1).")
    ] = None,
    web: Annotated[
        Path | None,
        typer.Option("--web", metavar="OUT", help="As a page and a module for browsers instead, of a run or a bundle."),
    ] = None,
    ort_web: Annotated[
        Path | None,
        typer.Option("--ort-web", metavar="FOLDER", help="With --web: the npm package onnxruntime-web; else npm."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle; by default bundle in the run.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the bundle that is there.")] = False,
    int8_min_cosine: Annotated[
        float | None,
        typer.Option(min=-1.0, max=1.0, help="Mean cosine to float that INT8 must reach (0.98; --c, --tflite: 0.99)."),
    ] = None,
    int8_min_agreement: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Share of clips it must give the same class (0.95; --c, --tflite: 0.98)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Export a run's student as a bundle that runs without torch; or as C, a .tflite or a web page."""
    if not (int8 or tflite) and (int8_min_cosine is not None or int8_min_agreement is not None):
        raise typer.BadParameter("--int8-min-cosine and --int8-min-agreement belong to --int8")
    if static_for is not None and static_s is None:
        raise typer.BadParameter("--static-for belongs to --static SECONDS")
    bundle_alone: dict[str, Any] = {
        "--input": input_kind,
        "--text": text or None,
        "--words": words,
        "--static": static_s,
        "--static-for": static_for,
        "--opset": opset,
        "--wheel": wheel or None,
        "--out": out,
    }
    form = _form(
        {"--c": c, "--tflite": tflite, "--web": web},
        bundle_alone,
        {
            "--hop": (hop_s, ("--c",)),
            "--device": (device, ("--c", "--tflite")),
            "--tflite-input": (tflite_input, ("--tflite",)),
            "--ort-web": (ort_web, ("--web",)),
        },
    )
    if device is not None:
        from tinyclap.hardware.devices import load_device

        load_device(device)  # what it is not is said before anything is loaded
    if web is not None:
        told = {"--labels": labels, "--prompts": prompts or None, "--int8-min-cosine": int8_min_cosine}
        _refuse_given(told | {"--int8-min-agreement": int8_min_agreement}, "--web")
        _export_web(run, web, {"int8": int8, "head": head, "runtime": ort_web, "overwrite": overwrite}, as_json)
        return
    from tinyclap.reports.console.export import as_object, as_table
    from tinyclap.runtime.labels import read_labels, read_prompts

    named, templates = None if labels is None else tuple(read_labels(labels)), read_prompts(prompts)
    folder = chosen_run(run, of_student=True)
    if form is not None:
        limits: dict[str, Any] = {
            "min_cosine": int8_min_cosine,
            "min_agreement": int8_min_agreement,
            "device": device,
            "head": head,
        }
        given = {name: value for name, value in limits.items() if value is not None}
        given |= {"labels": named, "prompts": templates, "overwrite": overwrite}
        if tflite is not None:
            _export_tflite(folder, tflite, given | ({"image": tflite_input} if tflite_input else {}), as_json)
        if c is not None:
            _export_c(folder, c, given | {"int8": int8} | ({} if hop_s is None else {"hop_s": hop_s}), as_json)
        return
    asked: dict[str, Any] = {
        "input": input_kind,
        "static_s": static_s,
        "static_for": static_for,
        "table_bits": table_bits,
        "opset": opset,
        "int8_min_cosine": int8_min_cosine,
        "int8_min_agreement": int8_min_agreement,
    }
    from tinyclap.pipelines.export import bundle_folder, export_run

    manifest = export_run(
        folder,
        out,
        labels=named,
        prompts=templates,
        int8=int8,
        text=text,
        words=words,
        head=head,
        wheel=wheel,
        overwrite=overwrite,
        progress=_tell_step,
        **{name: value for name, value in asked.items() if value is not None},
    )
    bundle = bundle_folder(folder, head) if out is None else out
    typer.echo(as_object(bundle, manifest) if as_json else as_table(bundle, manifest))


def _form(
    outs: dict[str, Path | None], bundle_alone: dict[str, Any], others: dict[str, tuple[Any, tuple[str, ...]]]
) -> str | None:
    """The form that is asked for, as its option is called; None for a bundle.

    Args:
        outs: of each form what is given.
        bundle_alone: options of bundles, and what is given.
        others: options of other forms: what is given, and the forms whose they are.

    Raises:
        BadParameter: two forms, or an option of the one with the other.
    """
    forms = [name for name, out in outs.items() if out is not None]
    if len(forms) > 1:
        raise typer.BadParameter(f"{' and '.join(forms)} are two forms; give one of them at a time")
    form = forms[0] if forms else None
    for name, (value, owners) in others.items():
        if value is not None and form not in owners:
            raise typer.BadParameter(f"{name} belongs to {' OUT or '.join(owners)} OUT")
    if form is not None:
        _refuse_given(bundle_alone, form)
    return form


def _refuse_given(of_bundles: dict[str, Any], form: str) -> None:
    wrong = [name for name, value in of_bundles.items() if value is not None]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]} is an option of bundles, not of {form}")


def _tell_step(what: str) -> None:
    tell(f"{what} ...")


def _export_tflite(run: Path, out: Path, options: dict[str, Any], as_json: bool) -> None:
    from tinyclap.pipelines.export import export_tflite
    from tinyclap.reports.console.targets.export_tflite import as_object, as_table

    report = export_tflite(run, out, progress=_tell_step, **options)
    typer.echo(as_object(out, report) if as_json else as_table(out, report))


def _export_c(run: Path, out: Path, options: dict[str, Any], as_json: bool) -> None:
    from tinyclap.pipelines.export import export_c
    from tinyclap.reports.console.targets.export_c import as_object, as_table

    report = export_c(run, out, progress=_tell_step, **options)
    typer.echo(as_object(out, report) if as_json else as_table(out, report))


def _export_web(source: Path | None, out: Path, options: dict[str, Any], as_json: bool) -> None:
    from tinyclap.pipelines.targets.web import export_web
    from tinyclap.reports.console.targets.export_web import as_object, as_table

    found = chosen_bundle(None) if source is None else source
    report = export_web(found, out, progress=_tell_step, **options)
    typer.echo(as_object(out, report) if as_json else as_table(out, report))


@exporting.command("convert")
def convert_command(
    source: Annotated[str, typer.Argument(help="LAION's .pt, tinyCLAP's .ckpt or, for a graph, any teacher.")],
    target: Annotated[Path, typer.Argument(help="New folder; or a new .onnx file for a teacher's audio tower.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Of a student's recipe, e.g. its teacher.")
    ] = None,
) -> None:
    """Turn published weights into a teacher, a run or an ONNX graph.

    LAION's CLAP becomes a teacher, tinyCLAP's student a run, any teacher's audio tower an ONNX graph.
    """
    from tinyclap.pipelines.convert import convert

    typer.echo(f"{target}: {convert(source, target, overrides or [])}")
