"""What a repair or a rehydration does, line by line as it comes: nobody knows how much of it there is."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict

import click

from cutover.render.console import line
from cutover.verify import Action, Rehydrated


def actions(found: Iterable[Action], *, applied: bool, as_json: bool) -> Counter[bool]:
    """Print each action as it comes, as a line or as an item of one JSON array; how many were done (True) and were not."""
    counted: Counter[bool] = Counter()
    if not as_json:
        line("Done" if applied else "Would be done")
    for each in found:
        if as_json:
            click.echo(f"{',' if counted else '['}\n  {json.dumps(asdict(each))}", nl=False)
        else:
            where = f"{each.parent} {each.stream}" + ("" if each.key is None else f" {each.key}")
            line(f"{each.kind:<17}{where.strip()}  {each.element}  ->  {each.what}")
        counted[each.done] += 1
    if as_json:
        click.echo("\n]" if counted else "[]")
    elif not counted:
        line("nothing: the two sides agree")
    return counted


def rehydrated(found: Rehydrated, *, applied: bool) -> str:
    """What was done, or would be, in a sentence."""
    verb = "were" if applied else "would be"
    return f"{found.rows} elements {verb} written back to JSON, for which {found.parents} documents {verb} changed."
