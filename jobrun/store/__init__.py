"""The store: one SQLite file, one writer, any number of readers.

The rule of this room: `schema.sql` is the readable truth, every write is one
of the ledger's facts, and nothing here decides anything.
"""
