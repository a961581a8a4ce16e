"""Move data out of a JSON column into a child table, on a live system, in five phases with a way back."""

from typing import TYPE_CHECKING, Any

from cutover.codecs import Codec, Object, Scalar, Text, Time, Tuple
from cutover.spec import Cutover, Key, Stream, register

if TYPE_CHECKING:
    from cutover.facade import use
    from cutover.read.shim import Shim
    from cutover.write.handler import LogHandler

__version__ = "0.1.0"
__all__ = [
    "Codec",
    "Cutover",
    "Key",
    "LogHandler",
    "Object",
    "Scalar",
    "Shim",
    "Stream",
    "Text",
    "Time",
    "Tuple",
    "register",
    "use",
]

LATER = {"use": "cutover.facade", "Shim": "cutover.read.shim", "LogHandler": "cutover.write.handler"}


def __getattr__(name: str) -> Any:
    """Import what needs Django's models only when it is asked for: this module is loaded before they are."""
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(LATER[name]), name)
