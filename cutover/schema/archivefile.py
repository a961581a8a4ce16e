"""The file of an archive: chunks of COPY, each a gzip member of its own, one behind the other. It knows no database.

`gunzip` reads it as one. A chunk counts once it is in the manifest; what a killed process has written behind that is cut off.
"""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

GZIP = 31  # of zlib's wbits: with the header of gzip
READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """Where a chunk is in the file, and the checksum of these bytes."""

    file_from: int
    file_bytes: int
    file_checksum: str


class Damaged(Exception):
    """The file is not what the manifest says."""


def append(path: Path, file_from: int, blocks: Iterable[bytes]) -> Part:
    """Write a chunk behind those that count, and wait until the disk has it. Only the owner may read the file."""
    digest, size = hashlib.sha256(), 0
    packer = zlib.compressobj(wbits=GZIP)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        file.truncate(file_from)
        file.seek(file_from)
        for block in packed(packer, blocks):
            file.write(block)
            digest.update(block)
            size += len(block)
        file.flush()
        os.fsync(file.fileno())
    return Part(file_from, size, digest.hexdigest())


def packed(packer: "zlib._Compress", blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        yield packer.compress(bytes(block))
    yield packer.flush()


def check(path: Path, part: Part) -> None:
    """Read the bytes of a chunk.

    Raises:
        Damaged: they are not those that were written.
    """
    digest = hashlib.sha256()
    for block in stored(path, part):
        digest.update(block)
    if digest.hexdigest() != part.file_checksum:
        raise Damaged


def unpacked(path: Path, part: Part) -> Iterator[bytes]:
    """The chunk as COPY wrote it.

    Raises:
        Damaged: it cannot be unpacked.
    """
    unpacker = zlib.decompressobj(wbits=GZIP)
    try:
        for block in stored(path, part):
            yield unpacker.decompress(block)
        yield unpacker.flush()
    except zlib.error as error:
        raise Damaged from error


def stored(path: Path, part: Part) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.file_from)
        left = part.file_bytes
        while left and (block := file.read(min(left, READ_BYTES))):
            left -= len(block)
            yield block
