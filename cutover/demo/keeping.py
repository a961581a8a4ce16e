"""Leave server and project behind, for exploring, and say how to use them and how to get rid of them."""

import shlex
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from cutover.demo import binaries
from cutover.demo.events import Kept
from cutover.demo.project import Deployment, Project
from cutover.demo.server import Server


def keep(server: Server, project: Project, deployment: Deployment) -> Kept:
    """Stop the server that ends with us, and start it again as one that stays.

    It gets a new directory for its socket, for the old one goes with the guard. Raises ServerFailed.
    """
    server.stop()
    socket = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    binaries.give(socket, binaries.identity())
    arguments = ["-D", str(server.data), "-w", "-l", str(server.log), "-o", f"-k {socket}", "start"]
    subprocess.run(
        [server.bin_path / "pg_ctl", *arguments],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **binaries.identity(),
    )
    return Kept(str(server.home), commands(server, replace(project, socket_directory=socket), deployment, socket))


def commands(server: Server, project: Project, deployment: Deployment, socket: Path) -> tuple[tuple[str, str], ...]:
    here = {name: value for name, value in project.environment(deployment).items() if name in EXPORTED}
    exported = " ".join(f"{name}={shlex.quote(value)}" for name, value in {**here, **deployment.environment}.items())
    stop = shlex.join([*as_account(), str(server.bin_path / "pg_ctl"), "-D", str(server.data), "-m", "fast", "stop"])
    python = shlex.quote(sys.executable)
    return (
        ("the environment", f"cd {shlex.quote(str(project.directory))} && export {exported}"),
        ("the tables", shlex.quote(str(server.bin_path / "psql"))),
        ("the state", f"{python} -m cutover status"),
        ("Django's shell", f"{python} manage.py shell"),
        ("the end", f"{stop} && rm -rf {shlex.quote(str(server.home))} {shlex.quote(str(socket))}"),
    )


EXPORTED = ("HANDLER", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PYTHONPATH", "DJANGO_SETTINGS_MODULE")


def as_account() -> list[str]:
    """What makes a command run as the server's account, where we are root."""
    account = binaries.identity()
    return ["setpriv", f"--reuid={account['user']}", f"--regid={account['group']}", "--clear-groups"] if account else []
