"""The command line: one file per command, answers first, no traceback ever."""
