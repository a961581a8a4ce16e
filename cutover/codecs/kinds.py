"""What a codec must know about one column. It does not look at Django fields: another module builds Kinds of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["text", "integer", "float", "decimal", "boolean", "time", "uuid", "json"]


@dataclass(frozen=True)
class Kind:
    """One column of the child table: its name in the database, its type, and the limits of its values."""

    column: str
    family: Family
    sql_type: str
    nullable: bool = False
    max_length: int | None = None
    bits: int | None = None
    digits: int | None = None
    places: int | None = None
    aware: bool = False
