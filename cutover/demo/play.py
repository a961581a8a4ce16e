"""Set the stage, play the story, clear everything away: the one entrance to the demonstration."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from cutover.demo import binaries, buffering, history, keeping, lines, oracle, story
from cutover.demo import project as projects
from cutover.demo.events import Ended, Event, Noted
from cutover.demo.fleet import Fleet
from cutover.demo.meter import Gauge
from cutover.demo.project import Project
from cutover.demo.server import Server
from cutover.demo.stage import Stage
from cutover.demo.summary import Summary

LOCKERS = 2


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        lines: log files that feed the messages; made-up ones where there is none.
        seconds: about how long the story takes; where the work needs longer, it takes longer.
        handler: the log handler of the converted releases, one of `project.HANDLERS`.
        writers: processes that write; two more lock the hot job, and one reads.
        keep: a directory in which server and project stay; None where nothing stays.
    """

    lines: tuple[Path, ...] = ()
    jobs: int = 100
    seconds: float = 60.0
    keep: Path | None = None
    handler: str = projects.HANDLERS[0]
    writers: int = 3


def run(options: Options) -> Generator[Event, None, None]:
    """Play the whole story. However it ends, no process is left, and no file unless `keep` says so."""
    with ExitStack() as stack:
        redis = stack.enter_context(buffering.server()) if options.handler == "buffered" else None
        server = stack.enter_context(Server.start(options.keep) if options.keep else Server.temporary())
        project = Project(
            server.home / "project",
            server.socket_directory,
            handler=options.handler,
            redis=redis.uri if redis else "",
        )
        feed = make_project(server, project, options)
        connection = stack.enter_context(psycopg.connect(server.uri(project.database), autocommit=True))
        fleet = stack.enter_context(Fleet(project, roles(options)))
        stage = Stage(project, fleet, connection, options.seconds, Summary(), Gauge(project.meters), redis)
        yield Noted(f"PostgreSQL {server.version}, {options.jobs} jobs, {len(feed)} different messages")
        yield from prepare(stage, options, feed)
        yield from story.tell(stage)
        yield Ended(stage.summary)
        connection.close()
        if options.keep:
            yield keeping.keep(server, project, stage.deployment)


def roles(options: Options) -> tuple[tuple[str, int], ...]:
    """The processes in the order in which they are replaced. Who reads learns of the buffer before anybody fills it."""
    work = (("writer", options.writers), ("locker", LOCKERS))
    return (("reader", 1), ("flusher", 1), *work) if options.handler == "buffered" else (*work, ("reader", 1))


def make_project(server: Server, project: Project, options: Options) -> list[lines.Message]:
    projects.write(project.directory)
    feed = lines.prepare(options.lines, project.feed)
    # Where the server runs as another account, its guard removes the files: ours must be that account's to remove.
    binaries.give(project.directory, binaries.identity())
    with psycopg.connect(server.uri(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(project.database)))
    return feed


def prepare(stage: Stage, options: Options, feed: list[lines.Message]) -> Iterator[Event]:
    """The legacy schema, jobs with a history, and the oracle."""
    yield from stage.run(stage.project.manage("migrate", "--no-input"))
    oracle.create(stage.connection)
    stage.summary.history = history.make(stage.connection, options.jobs, feed)
