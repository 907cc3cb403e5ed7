"""Which tables does the ledger have? Times are text, UTC, microseconds, so that they sort."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

systems = Table(
    "systems",
    metadata,
    Column("label", String(64), primary_key=True),
    Column("role", String(16), nullable=False),  # source | target
    Column("type", String(64), nullable=False),
    Column("tenant", String(128), nullable=False),  # bound at the first discover
    Column("family", String(64), nullable=False),
    Column("catalog", String(64), nullable=False),  # digest
    Column("at", String(32), nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),  # open | rolling_back | rolled_back
    Column("opened", String(32), nullable=False),
    Column("closed", String(32)),
    Column("plan", String(64)),  # digest of the plan that is loaded; another one must be accepted first
)

generations = Table(
    "generations",
    metadata,
    Column("object", String(255), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),  # extracted | transformed | loaded
    Column("manifest", String(64), nullable=False),
    Column("watermark", String(32)),  # the window's end on the vendor's clock
    Column("settled", String(32)),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("object", String(255), primary_key=True),
    Column("value", String(32), nullable=False),
    Column("generation", Integer, nullable=False),
)

extracts = Table(
    "extracts",
    metadata,
    Column("folder", String(255), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("cursor", Text),  # where to go on after this part
)

cursors = Table(
    "cursors",
    metadata,
    Column("folder", String(255), primary_key=True),
    Column("query", Text, nullable=False),  # window and fields, so that a resume reads the same
    Column("cursor", Text),
    Column("started", String(32), nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("system", String(64), nullable=False),
    Column("phase", String(16), nullable=False),  # load | replay | repair | rollback
    Column("stage", String(255), nullable=False),  # folder of the part
    Column("part", String(64), nullable=False),
    Column("rows", Text, nullable=False),  # row numbers as ranges: 0-4,6-99
    Column("object", String(255), nullable=False),
    Column("operation", String(16), nullable=False),
    Column("payload", String(64), nullable=False),  # digest of what is to be written
    Column("epoch", Integer, nullable=False),
    Column("state", String(16), nullable=False),  # intent | settled | seen (by a rollback)
    Column("job", String(255)),  # a vendor's asynchronous job, before it is released
    Column("intended", String(32), nullable=False),
    Column("deadline", String(32), nullable=False),  # when a call of this batch can't land any more
    Column("settled", String(32)),
    Column("done", Integer, nullable=False, default=0),
    Column("refused", Integer, nullable=False, default=0),
    Column("held", Integer, nullable=False, default=0),
    Index("ix_batches_stage", "attempt", "stage", "part", "state"),
)

leases = Table(
    "leases",
    metadata,
    Column("system", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("holder", String(255)),  # None: free
    Column("host", String(255)),
    Column("boot", String(64)),
    Column("pid", Integer),
    Column("process", String(64)),  # start time of the process, since pids are used again
    Column("since", String(32)),
    Column("until", String(32)),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Column("segment", Integer, nullable=False),  # journal sequence at that moment
    Column("watermarks", Text, nullable=False),  # JSON: object -> [value, generation]
    Column("baseline", Text, nullable=False),  # JSON: object -> folder of its snapshot
    Column("window_end", String(32)),
    # load: the first of its attempt; wave: a later load or a wave of one; hand: a person's
    Column("kind", String(8), nullable=False, default="load", server_default="load"),
    Column("base", String(128)),  # the checkpoint whose baseline it shares; null: it has its own
    Column("facts", Text, nullable=False, default="{}", server_default="{}"),  # JSON: what else was so then
)

rollbacks = Table(
    "rollbacks",
    metadata,
    Column("attempt", Integer, primary_key=True, autoincrement=False),  # the one that it closes
    Column("checkpoint", String(128), nullable=False),
    Column("scope", Text, nullable=False),  # JSON: what of it is undone
    Column("began", String(32), nullable=False),
    Column("ended", String(32)),
)

segments = Table(
    "segments",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
)

owner = Table(
    "owner",
    metadata,
    Column("workspace", String(64), primary_key=True),  # the one workspace whose ledger this is
    Column("at", String(32), nullable=False),
)

canaries = Table(
    "canaries",
    metadata,
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("entry", String(255), primary_key=True),  # of the plan
    Column("operation", String(16), primary_key=True),  # create | update | adopt
    Column("number", Integer, primary_key=True, autoincrement=False),  # the next after a find
    Column("catalog", String(64), nullable=False),  # digest of the target's, as this one was sent
    Column("state", String(16), nullable=False),  # sent | passed | refused | stopped
    Column("object", String(255), nullable=False),
    Column("batch", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("target_id", String(255)),
    Column("at", String(32), nullable=False),  # on our clock
    Column("facts", Text, nullable=False),  # JSON: what the second look compares with
    Column("found", Text, nullable=False),  # JSON: the effects that it found, without values
)

switches = Table(
    "switches",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("system", String(64), nullable=False),
    Column("automation", String(255), nullable=False),  # the vendor's own id
    Column("name", String(255), nullable=False),
    Column("object", String(255), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("was", Text, nullable=False),  # what brings it back as it was
    Column("state", String(16), nullable=False),  # going_off | off | on | gone
    Column("at", String(32), nullable=False),
    Column("ended", String(32)),
)

measures = Table(
    "measures",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("value", Float, nullable=False),
    Column("at", String(32), nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", String(32), nullable=False),
    Column("who", String(255), nullable=False),
    Column("what", String(64), nullable=False),
    Column("facts", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    UniqueConstraint("digest"),
)

validations = Table(
    "validations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("started", String(32), nullable=False),
    Column("ended", String(32)),  # null: it is under way, or was stopped
    Column("attempt", Integer, nullable=False),
    Column("folder", String(64), nullable=False),  # of the report, below `reports`
    Column("digest", String(64)),  # of report.json
    Column("verdict", String(16)),
    Column("part", Integer, nullable=False),  # 1: it looked at a part only
    Column("facts", Text, nullable=False),  # JSON: verdict and number of differences by result id
)

waivers = Table(
    "waivers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("difference", String(32), nullable=False),
    Column("who", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", String(32), nullable=False),
    Column("at", String(32), nullable=False),
    Column("ended", String(32)),  # taken back
    Index("waivers_difference", "difference"),
)

sheets = Table(
    "sheets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("tester", String(255), nullable=False),  # an e-mail address, in lower case
    Column("attempt", Integer, nullable=False),
    Column("digest", String(64), nullable=False),  # of what stands in it, without the answers
    Column("records", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)

answers = Table(
    "answers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sheet", String(64), nullable=False),
    Column("tester", String(255), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("entry", String(255), nullable=False),  # of the plan
    Column("key", String(255), nullable=False),
    Column("field", String(255), nullable=False),  # of the target; empty: the record as a whole
    Column("ok", Integer, nullable=False),
    Column("remark", Text, nullable=False),
    Column("expected", Text),  # the two values as they stood in the sheet
    Column("found", Text),
    Column("file", String(255), nullable=False),
    Column("at", String(32), nullable=False),  # when it was read
    Index("answers_record", "key", "field"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the token, which only its person has
    Column("purpose", String(255), nullable=False),
    Column("person", String(255), nullable=False),
    Column("made", String(32), nullable=False),
    Column("until", String(32), nullable=False),
    Column("used", String(32)),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the cookie, which only the browser has
    Column("person", String(255), nullable=False),
    Column("made", String(32), nullable=False),
    Column("seen", String(32), nullable=False),
)

rounds = Table(
    "rounds",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("began", String(32), nullable=False),
    Column("ended", String(32), nullable=False),
    Column("facts", Text, nullable=False),  # JSON: what it read and sent, by object, and how it ended
)

alerts = Table(
    "alerts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("state", String(8), nullable=False),  # open | over
    Column("at", String(32), nullable=False),  # since when it is so
    Column("words", Text, nullable=False),
    Column("told", String(8), nullable=False),  # the state that the webhook has taken; empty: none
)
