"""`kioku dashboard`: the web page."""

import os
import sys
import threading
import webbrowser

import click

from kioku import project, settings, times
from kioku.cli.output import note, project_option
from kioku.errors import KiokuError, ProjectError


@click.command("dashboard")
@project_option
@click.option("--all-projects", is_flag=True, help="Open what is going on in all projects of this machine.")
@click.option("--port", type=click.IntRange(1024, 65_535), help="The port, instead of the first free from 3456.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
def command(folder: str | None, all_projects: bool, port: int | None, no_browser: bool) -> None:
    """Open the page: what is going on now, where the time went, what was learned.

    One page serves all projects of this machine; a second start opens the first. Ctrl+C ends it.
    """
    from kioku.web import instance, serving

    path = "/" if all_projects else _path(folder)
    times.use_zone(settings.load(None).zone)
    opens = not no_browser and sys.stdin.isatty() and sys.stdout.isatty()
    with instance.alone():
        other = instance.running()
        ticket = None if other is None else instance.ticket_of(other)
        if other is not None and ticket is not None:
            if port not in (None, other.port):
                raise KiokuError(
                    f"the page is running at port {other.port} already", hint="leave --port out, or end that one"
                )
            _show(other.address(path, ticket), opens=False)
            if opens:
                webbrowser.open(other.address(path, ticket))
            return
        page = serving.Page(instance.bind(port))
        instance.announce(page.instance)
    _show(page.instance.address(path, page.gate.ticket()), opens=opens)
    note("Ctrl+C ends it. The address works once, for a minute; run 'kioku dashboard' again for another.")
    page.run()


def _path(folder: str | None) -> str:
    """Return the address of the project at hand; that of all where there is none, or none that the page shows."""
    from kioku.web.shelf import Shelf, name_of

    try:
        where = project.find(folder, settings.project_variables(), project.working_folder())
    except ProjectError:
        if folder is not None:
            raise
        return "/"
    if not os.path.lexists(where.store_path):
        return "/"
    if Shelf().place(name_of(where)) is None:
        note("note: this store came from elsewhere and is not shown until 'kioku doctor --adopt'")
        return "/"
    return f"/{name_of(where)}"


def _show(address: str, *, opens: bool) -> None:
    print(address, flush=True)
    if opens:  # in a thread: a browser in the terminal is waited for, and wants an answer meanwhile
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
