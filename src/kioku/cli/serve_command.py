"""`kioku serve`."""

import click

from kioku.cli.output import project_option


@click.command("serve")
@project_option
def command(folder: str | None) -> int:
    """Record a coding session (assistants start this).

    It speaks MCP on standard input and output; assistants start it themselves once Kioku is registered with them. The
    session begins at once; it ends when the assistant closes the connection, on Ctrl+C or a TERM signal, and after
    half an hour of silence.
    """
    from kioku.cli.serve import serve

    return serve(folder)
