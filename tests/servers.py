"""The PostgreSQL that the tests run on: a private one of the version asked for, or the one that DATABASE_URL names."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict

from cutover.demo.server import Server

# Durability costs time and no test needs it: none pulls the plug on the operating system.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_prepared_transactions": "10",
    "max_connections": "100",
}
PLACES = "/usr/lib/postgresql/{0}/bin", "/opt/homebrew/opt/postgresql@{0}/bin", "/usr/pgsql-{0}/bin"


class Postgres(Protocol):
    """Where databases are."""

    def uri(self, database: str = ...) -> str: ...

    def dsn_parts(self, database: str = ...) -> dict[str, str]: ...


@dataclass(frozen=True)
class Borrowed:
    """A server that somebody else runs: it has databases for us, and no restart."""

    address: str

    def uri(self, database: str | None = None) -> str:
        """The address of another database on the same server; without a name, the address that we were given."""
        if database is None:
            return self.address
        parts = self.dsn_parts(database)
        who = quote(parts["USER"], safe="") + (f":{quote(parts['PASSWORD'], safe='')}" if parts["PASSWORD"] else "")
        where = f"host={quote(parts['HOST'], safe='')}&port={parts['PORT']}"
        return f"postgresql://{who}@/{quote(database, safe='')}?{where}"

    def dsn_parts(self, database: str = "postgres") -> dict[str, str]:
        """The keys of Django's DATABASES that say where a database is."""
        known = {key: str(value) for key, value in conninfo_to_dict(self.address).items()}
        return {
            "HOST": known.get("host", ""),
            "PORT": known.get("port", "5432"),
            "USER": known.get("user", "postgres"),
            "PASSWORD": known.get("password", ""),
            "NAME": database,
        }


def start(choice: str) -> Server:
    """Start the server that `--postgres` names: "embedded", a major version, or a directory of programs."""
    return Server.temporary(bin_path=programs(choice), settings=SETTINGS)


def programs(choice: str) -> Path | None:
    """The directory of programs behind a choice; None is the embedded one. Raises LookupError."""
    if choice == "embedded":
        return None
    places = [Path(place.format(choice)) for place in PLACES] if choice.isdigit() else [Path(choice)]
    for place in places + _named_by_pg_config(choice):
        if (place / "initdb").exists():
            return place
    raise LookupError(f"--postgres={choice}: there is no initdb in {', '.join(map(str, places))}.")


def _named_by_pg_config(major: str) -> list[Path]:
    if not major.isdigit() or shutil.which("pg_config") is None:
        return []
    said = subprocess.run(["pg_config", "--bindir", "--version"], capture_output=True, text=True, check=True).stdout
    place, version = said.splitlines()
    return [Path(place)] if re.fullmatch(rf"PostgreSQL {major}\b.*", version) else []
