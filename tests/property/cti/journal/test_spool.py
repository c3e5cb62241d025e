"""Whatever is appended, flushed, checkpointed, torn and reopened: the spool tells the truth."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cti.journal.spool import Reader, Spool, entries
from tests.support.journal import facts, numbers

STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 9)),
    st.tuples(st.just("checkpoint"), st.integers(0, 300)),
    st.tuples(st.just("flush"), st.just(0)),
    st.tuples(st.just("stored"), st.integers(0, 100)),
    st.tuples(st.just("reopen"), st.just(0)),
    st.tuples(st.just("tear"), st.integers(1, 400)),
)


class Story:
    """A spool and what it should hold."""

    def __init__(self, folder: Path) -> None:
        self.spool = Spool(folder)
        self.last = 0
        self.checkpoint: tuple[int, bytes | None] = (0, None)
        self.stored = 0

    def append(self, count: int) -> None:
        self.spool.append(facts(self.last + 1, count))
        self.last += count

    def take_checkpoint(self, size: int) -> None:
        if self.last > self.checkpoint[0]:
            blob = b"%d\n" % self.last + b"x" * size
            self.spool.checkpoint(blob)
            self.checkpoint = (self.last, blob)

    def store(self, percent: int) -> None:
        """Some of what is flushed reaches the database."""
        self.stored = max(self.stored, self.spool.durable_seq * percent // 100)
        self.spool.forget(self.stored)

    def reopen(self, torn_bytes: int = 0) -> None:
        self.spool.close()
        if torn_bytes:
            self.tear(torn_bytes)
        self.spool = Spool(self.spool.folder)
        recovered = self.spool.recovered
        begin, blob = self.checkpoint
        assert recovered.checkpoint == blob
        assert numbers(recovered.tail) == list(range(begin + 1, self.last + 1))
        assert recovered.tail == facts(begin + 1, self.last - begin)
        assert recovered.next_seq == self.last + 1
        assert recovered.damaged == []

    def tear(self, torn_bytes: int) -> None:
        """Cut bytes off the end, but no whole checkpoint."""
        newest = max(self.spool.folder.glob("*.log"))
        data = newest.read_bytes()
        ends = [entry.end for entry in entries(data)]
        size = max(ends[0], len(data) - torn_bytes)
        newest.write_bytes(data[:size])
        self.last -= sum(end > size for end in ends)

    def check(self) -> None:
        self.spool.flush()
        reader = Reader(self.spool, min(self.stored, self.last))
        found = []
        while lines := reader.read(5):
            found += [line.seq for line in lines]
        reader.close()
        assert found == list(range(min(self.stored, self.last) + 1, self.last + 1))
        assert self.spool.unreadable_records == 0
        assert self.spool.size_bytes == sum(
            path.stat().st_size for path in self.spool.folder.glob("*.log")
        )


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_the_spool_tells_the_truth(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        story = Story(Path(folder))
        for what, amount in steps:
            match what:
                case "append":
                    story.append(amount)
                case "checkpoint":
                    story.take_checkpoint(amount)
                case "flush":
                    story.spool.flush()
                case "stored":
                    story.store(amount)
                case "reopen":
                    story.reopen()
                case "tear":
                    story.reopen(torn_bytes=amount)
        story.check()
        story.spool.close()
