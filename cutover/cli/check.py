"""`cutover check`: the check for CI. It needs no database; `--database` asks one as well."""

import os
import sys
from pathlib import Path
from typing import Any

import click
from django.core.exceptions import ImproperlyConfigured

from cutover import scan
from cutover.checks import gather
from cutover.cli import project
from cutover.errors import DeclarationError
from cutover.render import console, findings
from cutover.scan import Baseline, Finding, Severity, accepted, tree

FORMATS = click.Choice(["text", "json", "github", "sarif"])
READABLE = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
BASELINE = Path("cutover-baseline.json")
OPTIONS = (
    click.option("--settings", multiple=True, metavar="MODULE", help="Settings to compare, in the order of a deploy."),
    click.option("--env", "files", type=READABLE, multiple=True, help="A file of CUTOVER_* variables; several are compared."),
    click.option("--since", default="", metavar="REV", help="Also judge the change since this git revision."),
    click.option("--static", is_flag=True, help="Read the source only: the project is not loaded, nothing of it is needed."),
    click.option("--database", multiple=True, metavar="ALIAS", help="Ask this database too."),
    click.option("--format", "form", type=FORMATS, default="text", show_default=True),
    click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    click.option("--output", type=FILE, help="Write the findings to this file."),
    click.option("--baseline", type=FILE, help="Findings in this file are accepted for now."),
    click.option("--write-baseline", is_flag=True, help=f"Accept what is found now: write --baseline, or {BASELINE}."),
    click.option("--strict", is_flag=True, help="Warnings count as errors."),
    click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), default=Path(), help="The project."),
    click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave these paths out, besides tests."),
)  # fmt: skip


def options(command: Any) -> Any:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("name", required=False, default="")
@options
@click.pass_context
def check(ctx: click.Context, /, name: str, form: str, as_json: bool, output: Path | None, **asked: Any) -> None:
    """Find flags, declarations, migrations and source that do not fit together, now or in a later phase.

    Exits 0, or 3 when something is an error: it breaks at the phase that the flags reach.
    """
    baseline, writes, strict = asked.pop("baseline"), asked.pop("write_baseline"), asked.pop("strict")
    examined = examine(ctx, name, **asked)
    if writes:
        accepted.write(baseline or BASELINE, examined.findings)
        console.say(f"{len(examined.findings)} findings are accepted in {baseline or BASELINE}.")
        return
    found, old, gone = split(baseline, examined.findings)
    prefix = within_repository(asked["root"])
    findings.findings(found, old, form="json" if as_json else form, prefix=prefix, file=output)
    findings.summary(found, old, checked=examined.cutovers, files=examined.files, gone=gone)
    if any(each.severity is Severity.ERROR or (strict and each.severity is Severity.WARNING) for each in found):
        raise click.exceptions.Exit(3)


def examine(
    ctx: click.Context, name: str, *, settings: tuple[str, ...], files: tuple[Path, ...], since: str, static: bool,
    database: tuple[str, ...], root: Path, exclude: tuple[str, ...],
) -> scan.Examined:  # fmt: skip
    """Everything that is asked for.

    Raises:
        DeclarationError: the project cannot be loaded, or has no cutover of this name.
    """
    if static and database:
        raise click.UsageError("--database needs the project loaded; leave --static out.")
    modules = settings or settings_of(ctx, root)
    if not static:
        load(modules[0] if modules else None, root)
    order = scan.Order(
        root=root, settings=modules, since=since, env_files=files, only=name, exclude=(*tree.TESTS, *exclude),
        known={} if static else gather.known_flags(),
        environment={key: value for key, value in os.environ.items() if key.startswith("CUTOVER_")},
    )  # fmt: skip
    examined = scan.examine(order)
    if name and name not in examined.cutovers:
        raise DeclarationError(
            f"No cutover is named {name!r}.", hint="`cutover check` without a name says which there are."
        )
    return examined if static else gather.with_django(examined, only=name, databases=database)


def settings_of(ctx: click.Context, root: Path) -> tuple[str, ...]:
    """The one settings module: of the command group, the environment, or `manage.py`."""
    said = ctx.find_root().params.get("settings") if ctx.parent is not None else None
    found = said or os.environ.get("DJANGO_SETTINGS_MODULE") or project.from_manage(root / "manage.py")
    return (found,) if found else ()


def load(module: str | None, root: Path) -> None:
    """Set the project up.

    Raises:
        DeclarationError: it cannot be, which is no reason for the source not to be read.
    """
    sys.path.insert(0, str(root.resolve()))
    try:
        project.set_up(module)
    except (ImportError, ImproperlyConfigured) as error:
        raise DeclarationError(
            f"The project cannot be loaded: {error}.",
            hint="Install what it needs, or read its source alone with --static.",
        ) from error


def split(baseline: Path | None, found: list[Finding]) -> tuple[list[Finding], list[Finding], int]:
    """What is new, what is accepted, and how much of the baseline is gone."""
    if baseline is None:
        return found, [], 0
    if not baseline.is_file():
        raise DeclarationError(f"{baseline} is not there.", hint="Write it with --write-baseline.")
    return Baseline.read(baseline).split(found)


def within_repository(root: Path) -> str:
    """The way from the checkout of the pipeline to the project, as a prefix of paths."""
    checkout = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    if not checkout or not root.resolve().is_relative_to(Path(checkout).resolve()):
        return ""
    found = root.resolve().relative_to(Path(checkout).resolve()).as_posix()
    return "" if found == "." else f"{found}/"
