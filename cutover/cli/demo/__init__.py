"""`cutover demo`: play the story and show it, live on a terminal, line by line when piped."""

from cutover.cli.demo.command import demo_command

__all__ = ["demo_command"]
