"""The names that types are written with: ``typing``'s own for type checkers, and names that cost nothing in a running program.

Loading ``typing`` and its imports takes a twelfth of a short command, and a recording never inspects the types (decision 49).
Modules that a coding agent's turn loads take the names from here; one that inspects types, with ``get_args`` and the like, takes ``typing``'s.
In a program that has loaded ``typing``, or takes a name from ``tract``, all names are ``typing``'s own: the program may inspect tract's types, as pydantic does.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
"""True for who checks types."""

if TYPE_CHECKING or "typing" in sys.modules:
    from typing import Any as Any
    from typing import BinaryIO as BinaryIO
    from typing import Final as Final
    from typing import Literal as Literal
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import TypeAlias as TypeAlias
    from typing import TypeGuard as TypeGuard
    from typing import TypeVar as TypeVar
    from typing import cast as cast
    from typing import final as final
    from typing import overload as overload
else:

    class _Name:
        """A type, whatever it is of."""

        def __class_getitem__(cls, _arguments):
            return cls

    class _Literal:
        """One of the values in *__args__*."""

        __slots__ = ("__args__",)

        def __init__(self, arguments):
            self.__args__ = arguments if isinstance(arguments, tuple) else (arguments,)

        def __or__(self, _other):
            return self

        __ror__ = __or__

    class Literal:
        """What ``Literal[…]`` is written with."""

        def __class_getitem__(cls, arguments):
            return _Literal(arguments)

    class Protocol:
        """What a class that is one is made from."""

    Any = object  # so that who asks a class for its types, as pydantic does, is told what means the same
    BinaryIO = Final = NoReturn = Self = TypeAlias = TypeGuard = _Name

    def TypeVar(_name, *_bounds):  # noqa: N802  # typing's name
        return _Name

    def cast(_kind, value):
        return value

    def final(one):
        return one

    overload = final
