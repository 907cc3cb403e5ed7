"""Where do a stage's rows lie, and are they whole? Parquet parts and the manifest that names them.

A part is written aside, flushed to disk and renamed; a manifest is published the same way and
last. What no manifest names does not exist; what a manifest names must have its digest, else it
is set aside and nothing is read on. Paths in a manifest are relative to its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from migrate.errors import Damaged, NoSpace

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 50_000
# Bytes of a column's distinct values up to which they are written once: beyond that, as in names and
# stamps, a dictionary only costs time and room (a fifth of both, with pyarrow's own 1 MB).
DICTIONARY = 1 << 14
FORMAT = 1


@dataclass(frozen=True)
class Part:
    """One Parquet file. `sha256` is over its bytes."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A stage's output for one object and generation.

    `schema`: logical schema, field name to the vendor's type and what goes with it. `facts`: what
    else the stage vouches for (counts by a second route, digests of plan and catalogs, watermark).
    """

    folder: str
    stage: str
    object: str
    generation: int
    rows: int
    parts: tuple[Part, ...]
    schema: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over the content of the parts: equal rows, equal digest, wherever they lie."""
        text = json.dumps([[part.name, part.rows, part.sha256] for part in self.parts])
        return hashlib.sha256(text.encode()).hexdigest()


@contextlib.contextmanager
def space(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into `NoSpace`, naming the path."""
    try:
        yield
    except OSError as error:
        raise NoSpace(str(path), error.strerror or str(error)) from error


def flush_folder(folder: Path) -> None:
    """Make a rename in this folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_aside(path: Path, content: bytes) -> None:
    """Write a whole file: aside, flushed, renamed. A reader sees the old one or the new one."""
    aside = path.with_name(f".{path.name}.aside")
    try:
        with space(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            aside.replace(path)
            flush_folder(path.parent)
    except NoSpace:
        drop(aside)
        raise


def drop(aside: Path) -> None:
    """Give back the space of a file that could not be finished."""
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, streamed."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class PartWriter:
    """Writes record batches into parts of at most `part_rows` rows; `parts` lists the closed ones."""

    def __init__(self, folder: Path, schema: pa.Schema, part_rows: int, first: int = 0) -> None:
        self._folder, self._schema, self._part_rows = folder, schema, part_rows
        self._number = first
        self._writer: Any = None
        self._rows = 0
        self.parts: list[Part] = []

    def __enter__(self) -> PartWriter:
        with space(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close_part()
        finally:
            if self._writer is not None:
                # The part is not named by anyone; what matters is the error that is under way.
                with contextlib.suppress(OSError):
                    self._writer.close()
                drop(self._aside())

    def _name(self) -> str:
        return f"part-{self._number:05d}.parquet"

    def _aside(self) -> Path:
        return self._folder / f".{self._name()}.aside"

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Append rows (cast to the writer's schema); closes parts as they fill.

        Raises:
            NoSpace: the disk refused.
        """
        import pyarrow as pa

        table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
        if table.schema != self._schema:
            table = table.select(self._schema.names).cast(self._schema)
        offset = 0
        while offset < table.num_rows:
            take = min(table.num_rows - offset, self._part_rows - self._rows)
            self._append(table.slice(offset, take))
            offset += take
            if self._rows >= self._part_rows:
                self.close_part()

    def _append(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        with space(self._folder / self._name()):
            if self._writer is None:
                self._writer = pq.ParquetWriter(
                    self._aside(), self._schema, compression="zstd", dictionary_pagesize_limit=DICTIONARY
                )
            self._writer.write_table(table)
        self._rows += table.num_rows

    def close_part(self) -> Part | None:
        """Finish the part under way, if it has rows: flush, rename, digest."""
        if self._writer is None:
            return None
        aside, path = self._aside(), self._folder / self._name()
        with space(path):
            self._writer.close()
            with aside.open("rb+") as out:
                os.fsync(out.fileno())
            digest = sha256_of(aside)
            size = aside.stat().st_size
            aside.replace(path)
            flush_folder(self._folder)
        part = Part(path.name, self._rows, size, digest)
        self.parts.append(part)
        self._writer, self._rows = None, 0
        self._number += 1
        return part


class Store:
    """Stage artifacts under one folder (`.migrate/stage`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def writer(
        self, folder: str, schema: pa.Schema, *, part_rows: int = PART_ROWS, first: int = 0
    ) -> PartWriter:
        """A writer into `folder`; `first` is the number of its first part (to go on after a crash)."""
        return PartWriter(self.root / folder, schema, part_rows, first)

    def publish(self, manifest: Manifest) -> Manifest:
        """Publish whole: from now on the stage's output is these parts and nothing else.

        Raises:
            NoSpace: the disk refused; the former manifest, if any, still holds.
        """
        content = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, sort_keys=True).encode()
        write_aside(self.root / manifest.folder / "manifest.json", content)
        return manifest

    def manifest(self, folder: str) -> Manifest | None:
        """The published manifest of a folder, or None.

        Raises:
            Damaged: the manifest is there and can't be read.
        """
        path = self.root / folder / "manifest.json"
        try:
            content = json.loads(path.read_bytes())
            if content.pop("format") != FORMAT:
                raise Damaged(str(path), "was written by another version of the format")
            content["parts"] = tuple(Part(**part) for part in content["parts"])
            return Manifest(**content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Damaged(
                str(path), f"is not a manifest ({error})", "Run the stage that wrote it again."
            ) from error

    def manifests(self, stage: str, object: str) -> list[Manifest]:
        """All published generations of an object at a stage, oldest first (deleted-record folders aside)."""
        base = self.root / stage / object
        folders = sorted(path.parent.name for path in base.glob("g[0-9][0-9][0-9][0-9]/manifest.json"))
        found = [self.manifest(f"{stage}/{object}/{name}") for name in folders]
        return [manifest for manifest in found if manifest is not None]

    def damaged(self, stage: str, object: str) -> list[str]:
        """Folders of an object whose artifact was set aside and hasn't been written anew."""
        base = self.root / stage / object
        found = [path.parent for path in base.glob("*/manifest.json.damaged")]
        return sorted(
            str(folder.relative_to(self.root)) for folder in found if not (folder / "manifest.json").exists()
        )

    def must_be_whole(self, stage: str, object: str) -> None:
        """Make sure that no generation of an object is missing because it was set aside.

        Raises:
            Damaged: one is; names the stage to run again.
        """
        for folder in self.damaged(stage, object):
            remedy = f"Run `migrate {_command(stage)}` again; it writes `{object}` anew."
            raise Damaged(str(self.root / folder), "was damaged and set aside", remedy)

    def verify(self, manifest: Manifest) -> None:
        """Compare every part with its digest; a part that differs is set aside.

        Raises:
            Damaged: a part is absent or differs; names it and the stage to run again.
        """
        for part in manifest.parts:
            path = self.root / manifest.folder / part.name
            remedy = f"Run `migrate {_command(manifest.stage)}` again; it writes `{manifest.object}` anew."
            if not path.exists():
                raise Damaged(str(path), "is missing, though the manifest names it", remedy)
            if path.stat().st_size != part.bytes or sha256_of(path) != part.sha256:
                aside = path.with_name(f"{path.name}.damaged")
                path.replace(aside)
                manifest_path = self.root / manifest.folder / "manifest.json"
                manifest_path.replace(manifest_path.with_name("manifest.json.damaged"))
                raise Damaged(str(path), f"differs from its digest and was set aside as {aside.name}", remedy)

    def files(self, manifest: Manifest) -> list[str]:
        """Absolute paths of the parts, in order."""
        return [str(self.root / manifest.folder / part.name) for part in manifest.parts]

    def read(self, manifest: Manifest, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows, part by part."""
        import pyarrow.parquet as pq

        for path in self.files(manifest):
            with pq.ParquetFile(path) as source:
                yield from source.iter_batches(columns=list(columns) if columns else None)

    def discard(self, folder: str) -> None:
        """Remove a folder's artifact: the manifest first, so that half of it never counts."""
        base = self.root / folder
        (base / "manifest.json").unlink(missing_ok=True)
        if base.exists():
            shutil.rmtree(base)


def _command(stage: str) -> str:
    return {"source": "extract", "target": "extract"}.get(stage.split("/")[0], "transform")


def generation_folder(stage: str, object: str, generation: int) -> str:
    """The folder of one object's generation at a stage."""
    return f"{stage}/{object}/g{generation:04d}"
