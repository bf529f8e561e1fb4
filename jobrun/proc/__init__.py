"""Processes: starting, watching, measuring and ending whole trees.

The rule of this room: never signal a process whose identity (pid, start time,
boot id) was not checked, and never wait for a pid that is not ours.
"""
