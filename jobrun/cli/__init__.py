"""The command line: one file per command in `commands/`, answers first, no traceback ever.

The rules of this room: data goes to stdout and remarks to stderr; every
reading command has one JSON shape (`shapes`, documented in docs/json.md); a
command's module is imported only when that command is asked for, and `rich`
only by `render/terminal`, only when stdout is a terminal.
"""
