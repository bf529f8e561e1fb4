"""The daemon: the only room with asyncio in it.

The rule of this room: only the engine task changes the state of a run.
Alarm, timers, supervisor and control post events to its inbox.
"""
