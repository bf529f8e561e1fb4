"""The control socket: one JSON line per message, versioned and size-limited.

The rule of this room: messages are plain values; what they mean is decided in
the daemon, how they look is decided in the command line.
"""
