"""jobrun: a job runner and cron replacement for one host.

Nothing happens at import: the command line must start in a few
milliseconds, so each room is imported by the command that needs it.
"""

__version__ = "0.1.0"
