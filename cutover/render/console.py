"""The two streams, and the few forms in which anything is put on them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cutover.errors import CutoverError

WIDE = 10_000  # no line is broken for a reader that is a program


def out() -> Console:
    """Standard output as it is now; plain and unbroken where it is no terminal."""
    return shaped(Console(highlight=False))


def talk() -> Console:
    """Standard error as it is now."""
    return shaped(Console(stderr=True, highlight=False))


def shaped(console: Console) -> Console:
    if not console.is_terminal:
        console.width = WIDE
    return console


def say(text: str, style: str = "") -> None:
    """One line of talk."""
    talk().print(Text(text, style=style))


def line(text: str) -> None:
    """One line of data."""
    click.echo(text)


def error(told: CutoverError) -> None:
    """The fact, then the hint."""
    talk().print(Text.assemble(("Error: ", "bold red"), str(told)))
    if told.hint:
        talk().print(Text(told.hint, style="yellow"))


def document(data: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(data, indent=2, default=str))


def table(title: str, headers: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A table with frames on a terminal, columns apart by spaces when piped."""
    console = out()
    framed = console.is_terminal
    drawn = Table(title=title if framed else None, box=box.ROUNDED if framed else None, title_justify="left")
    for header in headers:
        drawn.add_column(header, overflow="fold")
    for line in lines:
        drawn.add_row(*(Text(cell) for cell in line))
    if not framed:
        console.print(Text(title))
    console.print(drawn)
