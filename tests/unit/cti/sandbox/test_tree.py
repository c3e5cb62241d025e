"""The unpacked Asterisk is either whole or not there."""

import os
from pathlib import Path

import pytest

from cti.sandbox.pbx import ensure_tree
from cti.sandbox.system import Place, SandboxError

UNPACK = """#!/bin/sh
for target; do :; done
echo run >> {log}
mkdir -p "$target/usr/share/asterisk/moh" "$target/usr/lib/x86_64-linux-gnu"
[ -e {trouble} ] && exit 1
exit 0
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a place whose machine has a mmdebstrap that unpacks at once."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scripts = {
        "mmdebstrap": UNPACK.format(log=tmp_path / "runs", trouble=tmp_path / "trouble"),
        "dpkg-query": "#!/bin/sh\nprintf installed\n",
    }
    for name, text in scripts.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    (tmp_path / "state").mkdir()
    return Place(tmp_path / "state", None)


def runs(tmp_path: Path) -> int:
    return len((tmp_path / "runs").read_text().splitlines())


def test_it_is_unpacked_once(place: Place, tmp_path: Path):
    tree = ensure_tree(place, say=lambda _: None)
    assert ensure_tree(place, say=pytest.fail) == tree
    assert tree.data.is_dir()
    assert runs(tmp_path) == 1


def test_a_half_finished_one_is_done_again(place: Place, tmp_path: Path):
    (tmp_path / "trouble").touch()
    with pytest.raises(SandboxError, match="mmdebstrap"):
        ensure_tree(place, say=lambda _: None)
    (tmp_path / "trouble").unlink()
    left = place.state / "pbx" / "partial" / "left-over"
    left.touch()
    tree = ensure_tree(place, say=lambda _: None)
    assert tree.root.is_dir()
    assert not (tree.root / "left-over").exists()
    assert runs(tmp_path) == 2


def test_the_tree_of_an_older_recipe_is_removed(place: Place):
    old = place.folder("pbx", "asterisk-00000000")
    ensure_tree(place, say=lambda _: None)
    assert not old.exists()
