"""Reconciling: the journal against Asterisk's own records and the recordings' files.

Three books tell of the same calls: our journal, the CDR and CEL files that Asterisk writes by
itself, and the store of recordings. `reconcile` lays them side by side and tells every difference
in words. Where the journal says itself that nothing was heard (a gap), differences are no news.
"""

from cti.reconcile.compare import Difference
from cti.reconcile.reconcile import reconcile

__all__ = ["Difference", "reconcile"]
