"""Ground floor: values and pure functions.

The one rule of this room: no clock, no random number, no input or output.
What a function needs to know it is given; what it decides it returns.
"""
