"""The journal: every domain event, first on local disk (spool), then in PostgreSQL, then projected.

`Journal` is what the runtime needs; `projections` fold the stored events into tables that reports
and screens read by `queries`.
"""

from cti.journal.journal import Journal, JournalStats
from cti.journal.spool import JournalError, Recovered, SpoolInUseError

__all__ = ["Journal", "JournalError", "JournalStats", "Recovered", "SpoolInUseError"]
