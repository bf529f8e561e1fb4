"""One file per command: `command` is the function, its docstring the help, `EXAMPLES` the examples.

Whatever a command needs beyond the command line's own words it imports when it
runs, so that `--help` and the other commands do not pay for it.
"""
