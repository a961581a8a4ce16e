"""`manage.py cutover ...`: the same command line, in a project that is set up already."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from cutover.cli.main import main


class Command(BaseCommand):
    help = "Move data out of a JSON column into a child table, in five phases."
    requires_system_checks: list[str] = []

    def run_from_argv(self, argv: list[str]) -> None:
        main(argv[2:], prog_name="manage.py cutover")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("args", nargs="*")

    def handle(self, *args: str, **options: Any) -> None:
        main(args, prog_name="manage.py cutover")
