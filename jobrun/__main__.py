"""Where the `jobrun` command begins. Nothing is imported before it is known to be needed."""

import sys


def main() -> int:
    """Run the command line of this process; the return value is its exit code."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        from jobrun.cli.streams import fill_missing

        fill_missing()
    arguments = sys.argv[1:]
    if arguments[:1] == ["_complete"]:
        from jobrun.cli.complete import answer

        return answer(arguments[1:])
    if arguments and arguments[0] in ("progress", "checkpoint", "retry-me"):
        from jobrun.cli.inside import at_once

        code = at_once(arguments)
        if code is not None:
            return code
    from jobrun.cli.gate import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
