"""Values: small records that never change once they are made.

They are frozen to the type checker, which is where a change would be found. At
run time they are plain records with slots, because a frozen one takes three
times as long to make, and thousands are made in a second.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, **options: Any) -> Any:
        """A dataclass that is hashed and compared by its fields, as a frozen one is."""
        assert frozen, "a value is frozen"
        return dataclass(unsafe_hash=True, **options)


__all__ = ["value"]
