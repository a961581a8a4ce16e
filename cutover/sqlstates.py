"""What the operator is told of an error of the database, by its SQLSTATE. Pure: it knows no driver."""

from cutover.errors import Busy, CutoverError, TimedOut

AGAIN = "Run the same command again."
# By SQLSTATE: what the operator is told before the database's own words, what comes next, and as what.
TOLD: dict[str, tuple[type[CutoverError], str, str]] = {
    "55P03": (Busy, "The lock was not obtained", AGAIN),
    "40P01": (Busy, "The lock was not obtained", AGAIN),
    "40001": (Busy, "Another transaction was in the way", AGAIN),
    "57014": (
        TimedOut,
        "The database ended the statement",
        "Raise statement_timeout for the operator's role, or run the same command again.",
    ),
    "25P03": (TimedOut, "The database ended the transaction", AGAIN),
    "25P04": (
        TimedOut,
        "The database ended the transaction",
        "Raise transaction_timeout for the operator's role, or run the same command again.",
    ),
    "25006": (
        CutoverError,
        "The database takes no writes",
        "Lead the connection to the primary, or set default_transaction_read_only off; then run the same command again.",
    ),
    "42P01": (CutoverError, "A table is missing", "Run `manage.py migrate`, then the same again."),
    "42501": (CutoverError, "The role may not do this", "Run it as the owner of the tables."),
    "53100": (
        CutoverError,
        "The server's disk is full",
        "Make room there, then run the same command again; what was committed stays.",
    ),
    "53200": (CutoverError, "The server's memory is used up", "Free some, then run the same command again."),
    "53300": (
        CutoverError,
        "The server takes no more connections",
        "Close some, or raise max_connections; then run the same command again.",
    ),
    "53400": (
        CutoverError,
        "A limit of the server is reached",
        "Raise it for the operator's role, then run the same command again.",
    ),
    "58030": (
        CutoverError,
        "The server cannot use its files",
        "Look into its log and at its disk before anything else.",
    ),
}
