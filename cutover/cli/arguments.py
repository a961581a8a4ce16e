"""What several commands have in common: the name of a cutover, a phase, `--json`."""

from typing import Any

import click

from cutover import phase, spec
from cutover.errors import DeclarationError
from cutover.mapping import Binding, bind
from cutover.phase import Phase


class PhaseType(click.ParamType):  # type: ignore[type-arg] # generic only in the newest click
    """A phase by name or number."""

    name = "phase"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Phase:
        if isinstance(value, Phase):
            return value
        try:
            return phase.parse(value)
        except DeclarationError as error:
            self.fail(f"{error} {error.hint}", param, ctx)


name_argument = click.argument("name")
phase_argument = click.argument("phase", type=PhaseType())
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
why_option = click.option("--why", default="", help="Goes into the history.")


def binding_of(name: str) -> Binding:
    return bind(name)


def names_of(name: str | None) -> list[str]:
    """The one that was named, or all that are declared.

    Raises:
        DeclarationError: there is none of that name, or none at all.
    """
    if name is not None:
        return [spec.find(name).name]
    found = spec.names()
    if not found:
        raise DeclarationError(
            "No cutover is declared.", hint="Write a `cutovers.py` in an installed app; the README shows one."
        )
    return found
