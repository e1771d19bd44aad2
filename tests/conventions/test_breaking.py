from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.conventions.breaking import NoHistory, breaks, earlier

CONTRACT = """
syntax = "proto3";
package ruum.jars.v1;
service JarsService {
  rpc Put(PutRequest) returns (Jar);
  rpc Take(PutRequest) returns (Jar);
}
message PutRequest { string jar_id = 1; int32 coins = 2; }
message Jar { string jar_id = 1; }
"""


class History:
    """A repository with one contract."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contract = root / "protos/ruum/jars/v1/jars.proto"
        self.contract.parent.mkdir(parents=True)
        self.contract.write_text(CONTRACT)
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        done = subprocess.run(["git", *who, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("add", ".")
        self.git("commit", "--quiet", "--allow-empty", "--message=a step")
        return self.git("rev-parse", "HEAD")

    def change(self, before: str, after: str) -> None:
        assert before in CONTRACT
        self.contract.write_text(CONTRACT.replace(before, after))


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int32 coins = 2", "int32 coins = 3"),
        ("int32 coins = 2", "string coins = 2"),
        ("string jar_id = 1; }\n", "}\n"),
        ("rpc Take(PutRequest) returns (Jar);", ""),
    ],
)
def test_what_breaks_a_contract_is_found(history: History, before: str, after: str) -> None:
    history.change(before, after)

    assert breaks("HEAD", history.root) != []


def test_what_a_contract_gains_breaks_nothing(history: History) -> None:
    history.change("message Jar {", "message Lid { string lid_id = 1; }\nmessage Jar { Lid lid = 2;")

    assert breaks("HEAD", history.root) == []


def test_what_is_not_committed_is_compared_with_the_newest_commit(history: History) -> None:
    newest = history.commit()
    history.change("coins = 2", "coins = 3")

    assert earlier(history.root) == newest


def test_on_main_the_last_change_is_compared_with_the_commit_before_it(history: History) -> None:
    before = history.commit()
    history.change("coins = 2", "coins = 3")
    history.commit()
    (history.root / "README.md").touch()
    history.commit()

    assert earlier(history.root) == before


def test_a_branch_is_compared_with_main_where_it_left_it(history: History) -> None:
    left = history.git("rev-parse", "HEAD")
    history.git("update-ref", "refs/remotes/origin/main", left)
    history.change("coins = 2", "coins = 3")
    history.commit()
    history.contract.write_text(history.contract.read_text() + "// more\n")
    history.commit()

    assert earlier(history.root) == left


def test_where_nothing_is_older_it_is_said(history: History) -> None:
    with pytest.raises(NoHistory, match="older"):
        earlier(history.root)


def test_where_there_is_no_repository_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(NoHistory, match="not a git repository"):
        earlier(tmp_path)
