"""How does a record get into the target once, whatever happens? The load protocol.

`consent` opts addresses out before anything else. `cutting` cuts staged rows into batches, `records` and
`links` carry them through intent, before-image, send, outcome and settlement, `sending` settles calls
without an answer, `strays` looks for what should not be there. Nothing here knows a vendor; everything
goes through a connector's declared abilities.
"""

from migrate.load.consent import ConsentProtocol
from migrate.load.context import Loading, Tally
from migrate.load.links import LinkProtocol
from migrate.load.records import RecordProtocol
from migrate.load.strays import sweep

__all__ = ["ConsentProtocol", "LinkProtocol", "Loading", "RecordProtocol", "Tally", "sweep"]
