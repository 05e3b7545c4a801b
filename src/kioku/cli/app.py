"""The command line's table of contents, and the one place where errors become exit codes.

0 done, 1 failed or unhealthy, 2 wrong usage, 130 interrupted.
"""

import gc
import io
import sys
from importlib import import_module

import click

from kioku import __version__
from kioku.cli.output import problem
from kioku.errors import KiokuError

# command -> module in this package; its click command has the command's name with "_"
COMMANDS = {
    "setup": "setup_command",
    "serve": "serve_command",
    "init": "init_command",
    "show": "show_command",
    "status": "status_command",
    "sessions": "sessions_command",
    "stats": "stats_command",
    "discoveries": "discoveries_command",
    "enrich": "enrich_command",
    "resume": "resume_command",
    "search": "search_command",
    "index": "index_command",
    "dashboard": "dashboard_command",
    "cleanup-sessions": "cleanup_command",
    "import": "import_command",
    "redact": "redact_command",
    "doctor": "doctor_command",
    "config": "config_command",
}


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands' names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"kioku.cli.{COMMANDS[cmd_name]}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; for an unknown one, name the nearest."""
        name = args[0]
        if name not in COMMANDS:
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"There is no command '{name}'; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kioku")
def kioku() -> None:
    """Kioku records your coding sessions with AI assistants, and tells you truthfully what happened in them."""


def run(arguments: list[str]) -> int:
    """Run the command line; return its exit code."""
    gc.set_threshold(50_000)  # the default looks through the rows of a report dozens of times: 8 % of its time
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not have every character
    try:
        code = kioku.main(args=arguments, prog_name="kioku", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2 if isinstance(error, click.UsageError) else error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    except KiokuError as error:
        problem(error)
        return error.exit_code
    except SystemExit:
        return 0  # how click says that whoever read our output has seen enough (`kioku sessions list | head`)
    except (OSError, UnicodeError) as error:
        problem(KiokuError(f"{error}", hint="kioku doctor says more"))
        return 1
