"""An extract that keeps its shape and holds nobody: for fixtures and rehearsals.

`cipher` maps letters and digits one to one under a key, `pseudonyms` says what of a text is mapped, `columns`
what of a part, `beside` what of the plan; `leaks` searches the result for anybody of the original.
"""

from __future__ import annotations

from migrate.stages.anonymize.leaks import Leak
from migrate.stages.anonymize.run import ANONYMIZED, Anonymized, anonymize, look_again

__all__ = ["ANONYMIZED", "Anonymized", "Leak", "anonymize", "look_again"]
