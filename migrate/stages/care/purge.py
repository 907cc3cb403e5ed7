"""How is a person erased from the workspace, and all sealed anew? Aside first, then by a list of moves.

Every file that holds something of them is written anew beside the state; then the list of moves is made
durable; then the moves are made, and manifests, digest chain and ledger with them. Killed before the list,
nothing has happened; killed after it, the same command makes the rest of the moves first, and until then the
digests don't fit, so nobody loads or rolls back. What their records held before we changed them is gone with
it: a rollback names those records as `can't`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from migrate.engine import parquet, text
from migrate.errors import UsageError
from migrate.journal import UNDO, Entry
from migrate.ledger import Lease
from migrate.ledger.cutovers import cohort_states
from migrate.ledger.database import event_digest
from migrate.ledger.leases import this_process
from migrate.ledger.tables import answers, batches, events, metadata, segments
from migrate.load.context import Progress, no_progress
from migrate.stages.care.fsck import MOVES
from migrate.stages.care.moves import ASIDE, finish
from migrate.stages.care.scrub import MARK, scrubbed, touches, where
from migrate.stages.care.subject import Subject, find
from migrate.stages.pipeline import alone
from migrate.storage import flush_file, sha256_of, space, write_aside

if TYPE_CHECKING:
    from migrate.workspace import Workspace

WHY = "lost: erased at the person's request; what it held before can't be put back"
_TEXTS = (".json", ".csv", ".txt")
_PAGES = (".html", ".xml", ".xlsx")
_CUT = (".backup-", "ledger.db.lost-", "ledger.db.fresh", "console/")  # the last: what commands printed
WAY_BACK = "reverse"  # a workspace of its own, sealed by itself; see `migrate.cutover.reverse_side`
_LONG = 8  # letters of a name that is taken for theirs wherever a report shows it
_SECONDS = 3600.0


@dataclass
class Purged:
    """What was erased, or would be. Paths are below `.migrate`.

    `records`: rows of theirs by object; `rewritten`, `removed`: files; `blobs`: files of theirs that nobody
    else names; `lost`: ids by target object of records that a rollback can't put back any more; `left`:
    sentences about what isn't covered.
    """

    dry_run: bool
    keys: int = 0
    records: dict[str, int] = field(default_factory=dict)
    rewritten: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    blobs: int = 0
    lost: dict[str, list[str]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def purge(
    workspace: Workspace, given: str, *, dry_run: bool = False, progress: Progress = no_progress
) -> Purged:
    """Erase a person.

    Args:
        given: an e-mail address, or a migration key.

    Raises:
        UsageError: it is neither; or the workspace lies on S3, where parts can't be written anew.
        LeaseHeld: somebody is at work.
        Damaged: something isn't what it was; nothing is sealed anew over damage.
        NoSpace: the disk refused; nothing was changed.
    """
    if workspace.storage.remote:
        raise UsageError(
            "The state of this workspace lies on S3, where a part's name is its digest.",
            "Back it up, restore it into a folder, purge there, and restore that into another prefix.",
        )
    if dry_run:
        subject, found = _known(workspace, given, dry_run=True)
        _Purging(workspace, subject, found, progress).look()
        return found
    label = workspace.system("target").system
    with alone(workspace, "extract"), alone(workspace, "ready"):
        lease = Lease.take(workspace.ledger, label, _SECONDS)
        try:
            finish(workspace)
            workspace.journal.open(lease)
            subject, found = _known(workspace, given, dry_run=False)
            _say_lost(workspace, subject, found, lease)
            _scrub_ledger(workspace, subject, given)
            _Purging(workspace, subject, found, progress).write()
            finish(workspace)
        finally:
            lease.release()
    workspace.forget()
    workspace.ledger.keep_copy()
    return found


def _known(workspace: Workspace, given: str, *, dry_run: bool) -> tuple[Subject, Purged]:
    subject = find(workspace, given)
    counts: Counter[str] = Counter()
    for ids in (subject.source, subject.target):
        counts.update({object: len(each) for object, each in ids.items() if each})
    return subject, Purged(dry_run, len(subject.keys), dict(sorted(counts.items())))


# -- what a rollback loses ------------------------------------------------------------------------


def _say_lost(workspace: Workspace, subject: Subject, found: Purged, lease: Lease) -> None:
    """Records of others that we changed: without a before-image they can't be put back, and that is said."""
    if not subject.keys:
        return
    listed = ", ".join(map(text, sorted(subject.keys)))
    rows = workspace.engine.rows(
        f"""SELECT object, key, arg_max(target_id, seq) AS id, max(attempt) AS attempt,
          bool_or(outcome = 'held' AND starts_with(reason, 'lost:')) AS told
        FROM {workspace.journal.source()} WHERE kind = 'record' AND key IN ({listed})
        AND target_id IS NOT NULL AND outcome IN ('done', 'held') GROUP BY object, key
        HAVING arg_min(op, seq) FILTER (outcome = 'done') IN ('adopt', 'update')"""
    )
    for row in rows:
        found.lost.setdefault(row["object"], []).append(row["id"])
    workspace.journal.append(
        Entry(
            row["attempt"], f"{UNDO}purge", lease.system, row["object"], "record", row["key"], "restore",
            "held", row["id"], reason=WHY,
        )
        for row in rows
        if not row["told"]
    )  # fmt: skip
    with workspace.ledger.write(lease) as tx:
        workspace.journal.register(tx)


# -- the ledger -----------------------------------------------------------------------------------


def _scrub_ledger(workspace: Workspace, subject: Subject, given: str) -> None:
    """Texts of every table; the trail is sealed anew, and says it with a salted hash of the subject."""
    told = [re.compile(re.escape(term), re.IGNORECASE) for term in sorted(subject.terms)]
    salt = secrets.token_hex(16)
    with workspace.ledger.write() as tx:
        for table in metadata.sorted_tables:
            names = [c.name for c in table.columns if isinstance(c.type, sa.String)]
            if table.name in (segments.name, batches.name) or not names:
                continue
            for row in tx.sql.execute(sa.select(table)).mappings().all():
                new = {n: v for n in names if row[n] is not None and (v := _without(row[n], told)) != row[n]}
                if new:
                    match = [column == row[column.name] for column in table.primary_key.columns]
                    tx.sql.execute(table.update().where(*match).values(**new))
        if subject.keys:
            theirs = answers.c.key.in_(sorted(subject.keys))
            tx.sql.execute(answers.update().where(theirs).values(expected=None, found=None, remark=MARK))
        previous = ""
        for each in tx.sql.execute(sa.select(events).order_by(events.c.number)).all():
            digest = event_digest(previous, each.at, each.who, each.what, each.facts)
            if (each.previous, each.digest) != (previous, digest):
                this = events.c.number == each.number
                tx.sql.execute(events.update().where(this).values(previous=previous, digest=digest))
            previous = digest
        hashed = hashlib.sha256(f"{salt}{given.strip().lower()}".encode()).hexdigest()
        tx.event(this_process().holder, "purge", salt=salt, subject=hashed, keys=len(subject.keys))


def _without(value: str, told: list[re.Pattern[str]]) -> str:
    for pattern in told:
        value = pattern.sub(MARK, value)
    return value


def _walk(
    node: Any, ids: set[str], near: list[re.Pattern[str]], far: list[re.Pattern[str]], *, within: bool
) -> Any:
    if isinstance(node, str):
        return _without(node, near if within else far)
    if isinstance(node, dict):
        within = within or any(isinstance(each, str) and each in ids for each in node.values())
        return {name: _walk(each, ids, near, far, within=within) for name, each in node.items()}
    if isinstance(node, list):
        row = within or any(isinstance(each, str) and each in ids for each in node)
        return [_walk(each, ids, near, far, within=row) for each in node]
    return node


# -- files ----------------------------------------------------------------------------------------


class _Purging:
    """Writes everything anew aside, and the list of moves."""

    def __init__(self, workspace: Workspace, subject: Subject, found: Purged, progress: Progress) -> None:
        self.workspace, self.subject, self.found, self.progress = workspace, subject, found, progress
        self.root = Path(workspace.storage.address())
        self.aside = self.root / ASIDE
        self.moves: dict[str, Any] = {"files": {}, "remove": [], "segments": [], "reports": {}, "parts": {}}
        self.told = [re.compile(re.escape(term), re.IGNORECASE) for term in sorted(subject.terms)]

    def look(self) -> None:
        """Which files hold something of theirs."""
        for key in self._keys():
            path = self.root / key
            table = key.endswith(".parquet") and touches(path, where(key), self.subject)
            if key.startswith("plans/"):
                self.found.removed += [key] if self._in_plan(path) else []
            elif table or (key.endswith(_TEXTS) and self._named(path)):
                self.found.rewritten.append(key)
            elif key.endswith(_PAGES) and self._named(path):
                self.found.removed.append(key)
        self.found.removed += self._way_back()
        self._not_covered()

    def write(self) -> None:
        """Everything anew, aside; then the list of moves, durable."""
        shutil.rmtree(self.aside, ignore_errors=True)
        self.aside.mkdir(mode=0o700)
        keys = [key for key in self._keys() if not key.startswith("journal/")]
        for number, key in enumerate(keys, 1):
            if key.endswith(".parquet"):
                if touches(self.root / key, where(key), self.subject):
                    self._parquet(key)
            elif key.startswith("plans/"):
                self._kept_plan(key)
            elif key.endswith(_TEXTS) and key.partition("/")[0] in ("reports", "stage", "cutover"):
                self._text(key)
            self.progress("purge", number, len(keys))
        self._journal()
        self._reports()
        self._blobs()
        self._leftovers()
        self.moves["remove"] += self._way_back()
        self._not_covered()
        self.found.rewritten = sorted(self.moves["files"])
        self.found.removed = sorted(self.moves["remove"])
        write_aside(self.root / MOVES, json.dumps(self.moves).encode())

    def _keys(self) -> list[str]:
        skipped = ("spill/", f"{ASIDE}/", "blobs/", "catalog/", "console/", f"{WAY_BACK}/")
        return [key for key in self.workspace.storage.keys("") if not key.startswith(skipped)]

    def _parquet(self, key: str, told: dict[bytes, bytes] | None = None) -> None:
        path, new = self.root / key, self.aside / key
        with space(new):
            new.parent.mkdir(parents=True, exist_ok=True)
            known = pq.read_schema(path)
            # A value that had to be there is gone with its person.
            schema = pa.schema([each.with_nullable(True) for each in known], told or known.metadata)
            rows = 0
            with pq.ParquetWriter(
                new, schema, compression="zstd", write_page_checksum=told is not None
            ) as writer:
                for table, _, _ in scrubbed(path, where(key), self.subject):
                    if table.num_rows:
                        writer.write_table(table.cast(schema))
                    rows += table.num_rows
        flush_file(new)
        self.moves["files"][key] = sha256_of(new)
        if told is None:
            self.moves["parts"][key] = [rows, new.stat().st_size, self.moves["files"][key]]

    def _text(self, key: str) -> None:
        content = (self.root / key).read_text(encoding="utf-8", errors="surrogateescape")
        new = _without(content, self.told)
        if key.startswith("reports/") and key.endswith(".json"):
            new = self._facts(new)
        if new != content:
            path = self.aside / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(new.encode("utf-8", errors="surrogateescape"))
            flush_file(path)
            self.moves["files"][key] = sha256_of(path)

    def _kept_plan(self, key: str) -> None:
        """A copy of a plan that was loaded, as of its overrides: one that names them goes as a whole."""
        if self._in_plan(self.root / key):
            folder = "/".join(key.split("/")[:2])
            there = (path for path in (self.root / folder).rglob("*") if path.is_file())
            gone = [path.relative_to(self.root).as_posix() for path in sorted(there)]
            self.moves["remove"] += [each for each in gone if each not in self.moves["remove"]]

    def _facts(self, content: str) -> str:
        """A report's facts without their names: all within their records, long ones anywhere."""
        words = sorted(self.subject.words, key=len, reverse=True)
        near = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)") for word in words]
        far = [pattern for word, pattern in zip(words, near, strict=True) if len(word) >= _LONG]
        ids = self.subject.keys.union(*self.subject.target.values())
        document = json.loads(content)
        new = _walk(document, ids, near, far, within=False)
        return content if new == document else json.dumps(new, ensure_ascii=False, indent=1)

    def _journal(self) -> None:
        """From the first segment that tells of them on, each is written anew: it names the one before it."""
        folder = self.root / "journal"
        digests: dict[str, str] = {}
        names = [Path(path).name for path in self.workspace.journal.files()]
        for name in names:
            key = f"journal/{name}"
            metadata_ = {
                k: v for k, v in (pq.read_metadata(folder / name).metadata or {}).items()
                if not k.startswith((b"ARROW", b"replaces"))
            }  # fmt: skip
            previous = metadata_.get(b"previous", b"").decode()
            seals = [digests.get(each, each) for each in json.loads(metadata_.get(b"seals", b"[]"))]
            compacted = b"replaces" in (pq.read_metadata(folder / name).metadata or {})
            if previous in digests or touches(folder / name, where(key), self.subject):
                former = sha256_of(folder / name)
                told = {**metadata_, b"previous": digests.get(previous, previous).encode()}
                if compacted:
                    told |= {b"replaces": b"[]", b"seals": json.dumps(seals).encode()}
                self._parquet(key, told)
                digests[former] = self.moves["files"][key]
                changed = {"name": name, "sha256": digests[former], "previous": told[b"previous"].decode()}
                self.moves["segments"].append(changed)
        if digests:
            left = {path.name for path in folder.glob("*.parquet")} - set(names)
            self.moves["remove"] += [f"journal/{name}" for name in sorted(left)]

    def _reports(self) -> None:
        """Pages of a report that names them go; its JSON is written anew, and its digest with it."""
        reports = self.root / "reports"
        for folder in sorted(reports.iterdir()) if reports.is_dir() else ():
            if not folder.is_dir():
                continue
            base = f"reports/{folder.name}"
            pages = [each for each in sorted(folder.rglob("*")) if each.name.endswith(_PAGES)]
            if any(key.startswith(f"{base}/") for key in self.moves["files"]) or any(map(self._named, pages)):
                self.moves["remove"] += [each.relative_to(self.root).as_posix() for each in pages]
            if new := self.moves["files"].get(f"{base}/report.json"):
                self.moves["reports"][folder.name] = new

    def _blobs(self) -> None:
        """Files of theirs that nobody else names."""
        store = self.workspace.store
        theirs: set[str] = set()
        others: set[str] = set()
        for name in store.storage.folders("files"):
            ids = sorted(self.subject.source.get(name.partition(".")[0], ()))
            listed = ", ".join(map(text, ids)) or "NULL"
            for manifest in store.manifests("files", name):
                for row in self.workspace.engine.rows(
                    f"""SELECT DISTINCT split_part(blob, ':', 2) AS blob,
                      coalesce(_id IN ({listed}), false) AS own
                    FROM {parquet(store.files(manifest))} WHERE blob IS NOT NULL"""
                ):
                    (theirs if row["own"] else others).add(row["blob"])
        gone = [each for each in sorted(theirs - others) if each]
        self.moves["remove"] += [f"blobs/{each[:2]}/{each[2:]}" for each in gone]
        self.found.blobs = len(gone)

    def _leftovers(self) -> None:
        """What was set aside or cut short, and ledgers that were replaced: they go unseen."""
        for path in self.root.rglob("*"):
            key = path.relative_to(self.root).as_posix()
            cut = key.startswith(_CUT) or ".aside" in path.name
            if path.is_file() and (path.name.endswith(".damaged") or cut):
                self.moves["remove"].append(key)

    def _sealed(self) -> bool:
        """Whether no cohort has a way back any more: then nothing kept for one is of use."""
        states = cohort_states(self.workspace.ledger)
        names = [each.name for each in self.workspace.plan.model.cutover.cohorts] or list(states)
        return bool(names) and all(name in states and states[name].state == "sealed" for name in names)

    def _way_back(self) -> list[str]:
        """Files that were kept for a way back that nobody can go any more."""
        folder = self.root / WAY_BACK
        if not self._sealed():
            return []
        return sorted(each.relative_to(self.root).as_posix() for each in folder.rglob("*") if each.is_file())

    def _named(self, path: Path) -> bool:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as opened:
                contents = [opened.read(name).decode(errors="replace") for name in opened.namelist()]
        else:
            contents = [path.read_text(encoding="utf-8", errors="replace")]
        return any(pattern.search(content) for pattern in self.told for content in contents)

    def _not_covered(self) -> None:
        root = self.workspace.root
        left = self.found.left
        left += [f"{path}: an earlier state, set aside." for path in sorted(root.glob(".migrate.before-*"))]
        for path in sorted(root.rglob("*")):
            inside = not any(part.startswith(".migrate") for part in path.relative_to(root).parts)
            if inside and path.is_file() and path.stat().st_size < 50_000_000 and self._in_plan(path):
                left.append(f"{path}: names them; it is yours to change.")
        left.append(
            "Backups, and files that were handed out (reports, sheets, exports): they are as they were."
        )
        if (self.root / WAY_BACK).exists() and not self._sealed():
            left.append(
                f"{self.root / WAY_BACK}: the way back of a cutover holds their records as they were, for it "
                "is still open. Once every cohort is sealed (`migrate cutover seal`), a purge removes it."
            )
        left.append("Free text that names them without their address, and the insides of files.")
        left.append("Both systems: what they hold is theirs to erase. A later extract reads it again.")

    def _in_plan(self, path: Path) -> bool:
        try:
            return self._named(path)
        except OSError:
            return False
