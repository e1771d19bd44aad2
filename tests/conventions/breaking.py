"""Contracts only grow: compares them with those of an earlier commit: `python -m tests.conventions.breaking`.

On a branch that is the commit where it left main; on main the commit before the contracts last changed, or the newest
one while there are changes that are not committed. Who breaks a contract on purpose says so in `buf.yaml`.
"""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

from services.chassis import protos
from tests.conventions.rules import ROOT

_CONTRACTS = "protos/*.proto"


class NoHistory(Exception):
    """There is no earlier commit to compare with, and why."""


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)  # whichever is there
    except FileNotFoundError:
        raise NoHistory("git is not installed") from None
    if done.returncode:
        raise NoHistory(done.stderr.decode().strip())
    return done.stdout


def _commit(root: Path, *question: str) -> str | None:
    """A commit, or nothing when history does not reach to it."""
    try:
        return _git(root, *question).decode().strip() or None
    except NoHistory:
        return None


def earlier(root: Path = ROOT) -> str:
    """The commit whose contracts must still hold.

    Raises:
        NoHistory: there is no git here, or no commit that is old enough.
    """
    head = _git(root, "rev-parse", "HEAD").decode().strip()
    left_main = _commit(root, "merge-base", "HEAD", "origin/main")
    if left_main not in {None, head}:
        return str(left_main)
    if _git(root, "status", "--porcelain", "--", _CONTRACTS):
        return head
    last = _commit(root, "log", "-1", "--format=%H", "--", _CONTRACTS)
    before = _commit(root, "rev-parse", "--verify", "--quiet", f"{last}^")
    if before is None:
        raise NoHistory("no commit here is older than the contracts")
    return before


def breaks(commit: str, root: Path = ROOT) -> list[str]:
    """What no longer holds of the contracts of a commit, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        before, old, new = f"{folder}/before", f"{folder}/old.binpb", f"{folder}/new.binpb"
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", commit, "protos"))) as archive:
            archive.extractall(before, filter="data")
        protos.image(Path(old), Path(before) / "protos")
        protos.image(Path(new), root / "protos")
        buf = (f"{sysconfig.get_path('scripts')}/buf", "breaking", "--config", str(ROOT / "buf.yaml"))
        done = subprocess.run([*buf, new, "--against", old], capture_output=True, text=True, check=False)
    if done.returncode and not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout.splitlines()


def main() -> int:
    try:
        commit = earlier()
        found = breaks(commit)
    except NoHistory as why:
        sys.stderr.write(f"contracts are NOT compared with earlier ones: {why}\n")
        return 0
    sys.stdout.write(f"contracts are compared with those of {commit[:12]}\n")
    sys.stderr.writelines(f"{line}\n" for line in found)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
