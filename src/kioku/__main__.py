"""Where both `kioku` and `python -m kioku` begin.

`kioku serve` is started by an assistant with every conversation, which waits for it: it goes straight to the server,
past the command line's libraries.
"""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        arguments = sys.argv[1:]
        if arguments[:1] == ["serve"] and (
            len(arguments) == 1 or (len(arguments) == 3 and arguments[1] == "--project")
        ):
            from kioku.cli.serve import serve

            code = serve(arguments[2] if len(arguments) == 3 else None)
        else:
            from kioku.cli.app import run

            code = run(arguments)
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
