"""Job files and places: reading, checking, explaining and writing TOML.

The rule of this room: a file a person wrote is never rewritten, and every
problem of a file is reported at once, with its line.
"""
