"""The cutovers that this process knows, by name. Filled by `@register` in the `cutovers.py` of each app."""

from collections.abc import Iterator

from cutover.errors import DeclarationError
from cutover.spec.declaration import Cutover, check

_declared: dict[str, type[Cutover]] = {}


def register(cutover: type[Cutover]) -> type[Cutover]:
    """Make a declaration known; a class decorator.

    Raises:
        DeclarationError: the declaration cannot be understood, or its name is taken by another class.
    """
    check(cutover)
    known = _declared.get(cutover.name)
    if known is not None and known.__qualname__ != cutover.__qualname__:
        raise DeclarationError(
            f"{cutover.name} is declared by {known.__qualname__} and by {cutover.__qualname__}.",
            hint="Give one of them another `name`.",
        )
    _declared[cutover.name] = cutover
    return cutover


def declared() -> Iterator[type[Cutover]]:
    """All declarations, in the order of their names."""
    return iter([_declared[name] for name in names()])


def names() -> list[str]:
    return sorted(_declared)


def find(name: str) -> type[Cutover]:
    """The declaration of that name.

    Raises:
        DeclarationError: there is none; the hint lists those there are.
    """
    try:
        return _declared[name]
    except KeyError:
        known = ", ".join(names()) or "none is declared: write a `cutovers.py` in an installed app"
        raise DeclarationError(f"No cutover is named {name!r}.", hint=f"Known: {known}.") from None
