"""Code that runs inside a job's own Python interpreter.

The rule of this room: the standard library only, Python 3.9 and newer,
nothing imported from the rest of jobrun: it also works in an environment
where jobrun is not installed.
"""
