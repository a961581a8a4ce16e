"""Where source comes from: a directory, or a revision of it. Each file is read once and parsed at most once."""

import ast
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from cutover.errors import DeclarationError

ELSEWHERE = {"node_modules", "site-packages", "__pycache__", "build", "dist", "venv", "env"}
TESTS = ("tests/*", "*/tests/*", "test_*.py", "*/test_*.py", "*_test.py", "tests.py", "*/tests.py", "*conftest.py")
ACCEPTED = re.compile(r"#\s*cutover:\s*ok\b\s*((?:[EWS]\d{3}[\s,]*)*)")
Parsed = ast.Module | None


class Source:
    """One Python file."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> Parsed:
        """The syntax tree; None where it is no Python that can be parsed."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError):
            return None

    @cached_property
    def module(self) -> str:
        """The dotted name, from the root of the project; a directory `src` is none of its parts."""
        parts = list(Path(self.path).with_suffix("").parts)
        if parts and parts[0] == "src":
            parts = parts[1:]
        return ".".join(parts[:-1] if parts and parts[-1] == "__init__" else parts)

    def line(self, number: int) -> str:
        return self.lines[number - 1].strip() if 0 < number <= len(self.lines) else ""

    def accepts(self, first: int, last: int, id: str) -> bool:
        """Whether a comment `# cutover: ok` (of all ids, or of this one) is on these lines, or alone on the one before."""
        before = self.line(first - 1)
        candidates = [self.line(number) for number in range(first, last + 1)]
        if before.startswith("#"):
            candidates.append(before)
        for text in candidates:
            found = ACCEPTED.search(text)
            if found and (not found[1].strip() or id.rpartition(".")[2] in found[1]):
                return True
        return False


class Tree:
    """The Python files of a project, by path."""

    def __init__(self, files: dict[str, Source]) -> None:
        self.files = files

    def __iter__(self) -> Iterator[Source]:
        return iter(self.files.values())

    def __len__(self) -> int:
        return len(self.files)

    def module(self, name: str) -> Source | None:
        """The file of a dotted name, wherever in the tree its packages begin; the shortest path where several fit."""
        tail = name.replace(".", "/")
        for end in (f"{tail}.py", f"{tail}/__init__.py"):
            fitting = [path for path in self.files if path == end or path.endswith(f"/{end}")]
            if fitting:
                return self.files[min(fitting, key=len)]
        return None


def on_disk(root: Path, exclude: Sequence[str] = TESTS) -> Tree:
    """The files of a directory, without hidden ones, virtual environments and what was installed."""
    found = {}
    for directory, below, names in os.walk(root):
        below[:] = sorted(name for name in below if wanted(directory, name))
        for name in sorted(names):
            path = Path(directory, name).relative_to(root).as_posix() if name.endswith(".py") else ""
            if path and not left_out(path, exclude):
                found[path] = Source(path, Path(directory, name).read_text(encoding="utf8", errors="replace"))
    return Tree(found)


def wanted(directory: str, name: str) -> bool:
    return not name.startswith(".") and name not in ELSEWHERE and not Path(directory, name, "pyvenv.cfg").is_file()


def nested(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """All statements, inner ones after those that hold them; a fraction of what `ast.walk` goes through."""
    for each in body:
        yield each
        for name in ("body", "orelse", "finalbody"):
            yield from nested(getattr(each, name, ()))
        for part in (*getattr(each, "handlers", ()), *getattr(each, "cases", ())):
            yield from nested(part.body)


def left_out(path: str, exclude: Sequence[str]) -> bool:
    return any(fnmatch(path, pattern) for pattern in exclude)


def at_revision(root: Path, revision: str, now: Tree, exclude: Sequence[str] = TESTS) -> Tree:
    """The files of the same directory in another revision of its git repository; those that are as now are the same objects.

    Raises:
        DeclarationError: there is no repository, or no such revision.
    """
    hidden = re.compile(r"(^|/)\.")
    listed = (
        git(root, "ls-tree", "-r", "-z", "--name-only", "--end-of-options", revision, "--", ".").decode().split("\0")
    )
    paths = [
        path
        for path in listed
        if path.endswith(".py")
        and not hidden.search(path)
        and not ELSEWHERE & set(path.split("/"))
        and not left_out(path, exclude)
    ]
    asked = "".join(f"{revision}:./{path}\n" for path in paths).encode()
    answer = git(root, "cat-file", "--batch", given=asked)
    found, at = {}, 0
    for path in paths:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[-1])
        text = answer[end + 1 : end + 1 + size].decode("utf8", errors="replace").replace("\r\n", "\n")
        same = now.files.get(path)
        found[path] = same if same is not None and same.text == text else Source(path, text)
        at = end + size + 2
    return Tree(found)


def git(root: Path, *args: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["git", "-C", str(root), *args], input=given, capture_output=True, check=False)
    except FileNotFoundError:
        raise DeclarationError("git is not installed.", hint="Install it, or leave --since out.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DeclarationError(
            f"git {args[0]} ended with: {said[-1] if said else done.returncode}",
            hint="Name a revision that this clone has; a shallow clone needs fetch-depth: 0.",
        )
    return done.stdout
