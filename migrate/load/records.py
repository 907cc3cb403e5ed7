"""How does one batch of records get through? Intent, before-images, send, outcomes, settlement.

Three rules hold on every way through: create only where no record has the key; update only what
is as we left it; never write an older version. `creating`, `changing` and `removing` are the three ways,
`sending` makes the calls and settles lost answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from migrate.load.changing import Changer
from migrate.load.context import Loading, Tally
from migrate.load.creating import Creator
from migrate.load.removing import Remover
from migrate.load.staying import Stayer
from migrate.load.work import NONE, STAYS, RecordWork


class RecordProtocol:
    """Carries batches of one object's records. Thread safe: it keeps nothing between batches."""

    def __init__(self, loading: Loading, object: str, fields: Sequence[str], *, conflict: str = "hold",
                 wins: dict[str, str] | None = None, always: Sequence[str] = (),
                 only: Collection[str] = ()) -> None:  # fmt: skip
        """Args:
        fields: the target fields that the plan writes, key and old id included.
        conflict: what happens when a delta meets a record that isn't as we left it.
        wins: survivorship rule or expression by field, for adoptions; `target` where none is given.
        always: fields that an adoption writes whatever stands there (key, old id, old URL).
        only: fields that a second pass writes, on records that are there already; none: all of them.
        """
        self.loading = loading
        self.create, self.remove = Creator(loading, object, fields), Remover(loading, object, fields)
        self.stay = Stayer(loading, object, fields)
        self.change = Changer(
            loading, object, fields, conflict=conflict, wins=wins or {}, always=always, only=only
        )

    def run(self, work: RecordWork) -> Tally:
        """Carry one batch to its settlement."""
        tally: Tally = Counter()
        if work.doubt:
            self.loading.doubted(work.batch.deadline)
        with self.loading.batch(work.batch):
            if work.operation == NONE:
                entries = self.remove.never_there(work)
                tally["unchanged"] += len(work.items)
            else:
                entries = self._way(work.operation).entries(work)
            self.loading.settle(work.batch, entries, tally)
        tally["_rows"] = len(work.items)
        return tally

    def _way(self, operation: str) -> Creator | Remover | Changer | Stayer:
        if operation == STAYS:
            return self.stay
        if operation == "create":
            return self.create
        return self.remove if operation == "delete" else self.change
