"""What the project's settings and the environment say. One function per setting; its docstring is its documentation.

Nothing is cached: tests and `override_settings` see a change at once.
"""

import os
from datetime import timedelta
from pathlib import Path

from django.conf import settings

from cutover.errors import DeclarationError
from cutover.flags import Flags
from cutover.phase import FLAGGED, Phase

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}
MOST = 1e9  # of any amount


def flags(name: str) -> Flags:
    """The five flags of a cutover: `CUTOVER[name]`, overridden by `CUTOVER_<NAME>_<PHASE>` in the environment.

    Raises:
        DeclarationError: a key names no phase, or a value is neither on nor off.
    """
    unknown = sorted(set(getattr(settings, "CUTOVER", {}).get(name, {})) - {phase.name for phase in FLAGGED})
    if unknown:
        raise DeclarationError(
            f"CUTOVER[{name!r}] has the key {unknown[0]!r}, which names no phase.",
            hint=f"Use {', '.join(phase.name for phase in FLAGGED)}.",
        )
    return {phase: flag(name, phase) for phase in FLAGGED}


def flag(name: str, phase: Phase) -> bool:
    """One flag: the environment's word, or what the settings say."""
    variable = f"CUTOVER_{name.upper()}_{phase.name}"
    said = os.environ.get(variable)
    return configured(name, phase) if said is None else boolean(variable, said)


def configured(name: str, phase: Phase) -> bool:
    """One flag as the settings have it."""
    return bool(getattr(settings, "CUTOVER", {}).get(name, {}).get(phase.name, False))


def boolean(variable: str, said: str) -> bool:
    """The value of an environment variable.

    Raises:
        DeclarationError: it is neither on nor off.
    """
    if said.strip().lower() in TRUE:
        return True
    if said.strip().lower() in FALSE:
        return False
    raise DeclarationError(f"{variable} is {said!r}.", hint="Set it to 1 or 0.")


def unknown_names(known: list[str]) -> list[str]:
    """Names in `CUTOVER` that no declaration has."""
    return sorted(set(getattr(settings, "CUTOVER", {})) - set(known))


def lease() -> timedelta:
    """`CUTOVER_LEASE_SECONDS`, 5 by default: how long a process may believe what it last read from the ledger."""
    return timedelta(seconds=float(getattr(settings, "CUTOVER_LEASE_SECONDS", 5)))


def version() -> str:
    """`CUTOVER_VERSION`: the release that a process runs, shown in `status`; empty by default."""
    return str(getattr(settings, "CUTOVER_VERSION", os.environ.get("CUTOVER_VERSION", "")))


def redis_url() -> str | None:
    """`CUTOVER_REDIS_URL`, also in the environment: where the buffer is; without it nothing is buffered."""
    found = os.environ.get("CUTOVER_REDIS_URL") or getattr(settings, "CUTOVER_REDIS_URL", None)
    return str(found) if found else None


def redis_timeout() -> timedelta:
    """`CUTOVER_REDIS_TIMEOUT_SECONDS`, 0.5 by default: how long Redis may take before a line is written without it."""
    return timedelta(seconds=amount("CUTOVER_REDIS_TIMEOUT_SECONDS", 0.5, "seconds") or 0.5)


def buffer_patience() -> timedelta:
    """`CUTOVER_BUFFER_PATIENCE_SECONDS`, 60 by default: how long an entry of the buffer waits for a parent that is not there."""
    return timedelta(seconds=amount("CUTOVER_BUFFER_PATIENCE_SECONDS", 60, "seconds") or 60)


def shadow_reads(name: str) -> float:
    """`CUTOVER_SHADOW_READS`, 0 by default: the share of reads that compares both sides, for all cutovers or by name.

    Raises:
        DeclarationError: it is no number from 0 to 1.
    """
    said = getattr(settings, "CUTOVER_SHADOW_READS", 0)
    share = said.get(name, 0) if isinstance(said, dict) else said
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise DeclarationError(
            f"CUTOVER_SHADOW_READS is {said!r}.",
            hint="Set it to a share from 0 to 1 (0.01 is one read of a hundred), or to such shares by name.",
        )
    return share


def replica_lag() -> timedelta | None:
    """`CUTOVER_REPLICA_LAG_SECONDS`, 1.5 by default: the backfill waits while a replica is further behind; None: never."""
    return seconds("CUTOVER_REPLICA_LAG_SECONDS", 1.5)


def replica_lag_sql() -> str | None:
    """`CUTOVER_REPLICA_LAG_SQL`: a query for the lag in seconds, in place of pg_stat_replication; no row or NULL is no lag."""
    return sql_text("CUTOVER_REPLICA_LAG_SQL")


def archive_backlog() -> int | None:
    """`CUTOVER_ARCHIVE_BACKLOG_FILES`, 64 by default (1 GiB): the backfill waits while more files of WAL are to be archived."""
    found = amount("CUTOVER_ARCHIVE_BACKLOG_FILES", 64, "files")
    return None if found is None else int(found)


def archive_directory() -> Path:
    """`CUTOVER_ARCHIVE_DIRECTORY`: where ArchiveColumn(..., to="file") writes, on the machine that migrates.

    Raises:
        DeclarationError: it is not set.
    """
    found = os.environ.get("CUTOVER_ARCHIVE_DIRECTORY") or getattr(settings, "CUTOVER_ARCHIVE_DIRECTORY", None)
    if not found:
        raise DeclarationError(
            "CUTOVER_ARCHIVE_DIRECTORY is not set, and the archive is a file.",
            hint="Name a directory that outlives the deploy, in the settings or in the environment.",
        )
    return Path(found)


def old_transaction_report() -> timedelta | None:
    """`CUTOVER_OLD_TRANSACTION_REPORT_SECONDS`, 300 by default: an older transaction is named beside the progress."""
    return seconds("CUTOVER_OLD_TRANSACTION_REPORT_SECONDS", 300)


def old_transaction_wait() -> timedelta | None:
    """`CUTOVER_OLD_TRANSACTION_WAIT_SECONDS`, None by default: the backfill waits for an older transaction to end."""
    return seconds("CUTOVER_OLD_TRANSACTION_WAIT_SECONDS", None)


def throttle_sql() -> str | None:
    """`CUTOVER_THROTTLE_SQL`: a query for a reason to wait, as a text; no row, NULL and an empty text are none."""
    return sql_text("CUTOVER_THROTTLE_SQL")


def decoding_processes() -> int:
    """`CUTOVER_DECODING_PROCESSES`, 1 by default: how many may decode beside a worker that is alone; None: none."""
    return int(amount("CUTOVER_DECODING_PROCESSES", 1, "processes") or 0)


def seconds(setting: str, default: float | None) -> timedelta | None:
    found = amount(setting, default, "seconds")
    return None if found is None else timedelta(seconds=found)


def amount(setting: str, default: float | None, unit: str) -> float | None:
    """A number above 0, or None for "off".

    Raises:
        DeclarationError: it is something else.
    """
    said = getattr(settings, setting, default)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < MOST:
        raise DeclarationError(f"{setting} is {said!r}.", hint=f"Set it to a number of {unit} above 0, or to None.")
    return said


def sql_text(setting: str) -> str | None:
    """A query, or None.

    Raises:
        DeclarationError: it is something else.
    """
    said = getattr(settings, setting, None)
    if said is None or (isinstance(said, str) and said.strip()):
        return said
    raise DeclarationError(f"{setting} is {said!r}.", hint="Set it to the text of a query, or to None.")
