"""The command that serves a library's page: thin, on the base install."""

from typing import Annotated, Literal

import typer

from tinyclap.cli.library import BundleOption, LibraryArgument

browsing = typer.Typer()


@browsing.command("browse")
def browse_command(
    library: LibraryArgument = None,
    bundle: BundleOption = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8642,
    host: Annotated[str, typer.Option("--host", help="Another address of this machine.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Serve other machines too, under an address that holds a secret.")
    ] = False,
    open_page: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open a browser; by default where there is a desktop.")
    ] = None,
    map_kind: Annotated[
        Literal["neighbours", "pca"], typer.Option("--map", help="By nearest neighbours, or by principal components.")
    ] = "neighbours",
) -> None:
    """Search a library, listen to it and see its map, in a browser on this machine."""
    import webbrowser

    from tinyclap.common.machine import has_desktop
    from tinyclap.library.browse.server import BrowseServer
    from tinyclap.library.facts import chosen
    from tinyclap.library.library import Library
    from tinyclap.workspace.bundles import named_bundle

    folder, place = chosen(library), None if bundle is None else named_bundle(bundle)
    server = BrowseServer(lambda: Library.open(folder, place), host, port, allow_remote=allow_remote, map_kind=map_kind)
    try:
        about = server.ask(server.api.about)
        if about["fault"]:
            typer.echo(f"warning: words cannot be looked for: {about['fault']}", err=True)
        typer.echo(f"library  {folder}: {about['rows']:,} rows\npage     {server.address.url}\nstop     Ctrl-C")
        if server.address.token is not None:
            typer.echo("note: whoever knows this address can listen to the library; it travels unencrypted", err=True)
        if has_desktop() if open_page is None else open_page:
            webbrowser.open(server.address.local_url)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
    finally:
        server.close()
