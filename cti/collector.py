"""The garbage collector of a process that decides in fractions of a millisecond.

Python looks for cycles after every 700 new objects, that is in one decision of thirty, and its
price grows with what lives. Here next to nothing is cyclic, so it looks much less often, and never
again at what lived when the process began to serve.
"""

from __future__ import annotations

import gc
from typing import Final

NEW_OBJECTS: Final = 20_000
"""So many new objects between two looks at the young ones."""


def calm() -> None:
    """Call it when everything that lives for long is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 50)
