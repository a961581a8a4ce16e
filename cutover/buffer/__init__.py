"""The buffer: rows on their way into PostgreSQL wait in streams of Redis. Here they are put in, read, and taken out.

It knows no table of the application and writes to none; what becomes of an entry is decided where it is flushed.
"""

from cutover.buffer.entry import Entry
from cutover.buffer.outage import Outage
from cutover.buffer.streams import SHARDS, shard_of

__all__ = ["SHARDS", "Entry", "Outage", "shard_of"]
