"""What is a stage's output, and is it whole? Artifacts: folders of parts under a published manifest.

A manifest is published last. What no manifest names does not exist; what a manifest names must have its
digest, else it is set aside and nothing is read on. A manifest takes the place only of the one that its
writer knew.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from migrate.errors import Damaged, Overtaken
from migrate.storage import ANY, Storage, Taken, at_once, flush_folder, space, storage_of
from migrate.store.parts import PART_ROWS, Manifest, Part, PartWriter

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
MANIFEST = "manifest.json"
UNNAMED = timedelta(days=1)
_NEXT = "next"
_GENERATION = re.compile(r"g\d{4}")


class Store:
    """Stage artifacts under one root (`.migrate/stage`, or the same on S3)."""

    def __init__(self, place: Path | Storage) -> None:
        self.storage = storage_of(place)
        self._tags: dict[str, str] = {}  # of the manifest that was there when a folder was begun

    def writer(
        self, folder: str, schema: pa.Schema, *, part_rows: int = PART_ROWS, first: int = 0
    ) -> PartWriter:
        """A writer into `folder`; `first` is the number of its first part (to go on after a crash)."""
        if self.storage.remote:
            self._tags[folder] = self.storage.tag(f"{folder}/{MANIFEST}")
        return PartWriter(self.storage, folder, schema, part_rows, first)

    def rewriter(self, folder: str, schema: pa.Schema, *, part_rows: int = PART_ROWS) -> PartWriter:
        """A writer of parts that shall take the place of a folder's, at `replace` and not before."""
        if self.storage.remote:
            return self.writer(folder, schema, part_rows=part_rows)  # a part's name is its content's
        self.discard(f"{folder}/{_NEXT}")
        return self.writer(f"{folder}/{_NEXT}", schema, part_rows=part_rows)

    def replace(self, manifest: Manifest) -> Manifest:
        """Publish what a `rewriter` wrote. Where the rows are the same as before, the old parts stay.

        In a folder the old manifest goes, the parts change places, and the new manifest comes: a kill in
        between leaves no manifest, hence no artifact, and the stage is run again.
        """
        if not self.storage.remote:
            former = self.manifest(manifest.folder)
            if former is None or former.parts != manifest.parts or not self._there(former):
                self._exchange(manifest)
            self.discard(f"{manifest.folder}/{_NEXT}")
        return self.publish(manifest)

    def _there(self, manifest: Manifest) -> bool:
        paths = [(self.path(manifest, part), part.bytes) for part in manifest.parts]
        return all(path.exists() and path.stat().st_size == size for path, size in paths)

    def _exchange(self, manifest: Manifest) -> None:
        folder = Path(self.storage.address(manifest.folder))
        with space(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MANIFEST).unlink(missing_ok=True)
            flush_folder(folder)
            for old in folder.glob("part-*.parquet"):
                old.unlink()
            for part in manifest.parts:
                (folder / _NEXT / part.name).replace(folder / part.name)
            flush_folder(folder)

    def publish(self, manifest: Manifest) -> Manifest:
        """Publish whole: from now on the stage's output is these parts and nothing else.

        Raises:
            NoSpace: the disk refused; the former manifest, if any, still holds.
            Overtaken: another process has published there since the writer was opened; its output holds.
        """
        content = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1, sort_keys=True).encode()
        key = f"{manifest.folder}/{MANIFEST}"
        try:
            self._tags[manifest.folder] = self.storage.write(
                key, content, self._tags.get(manifest.folder, ANY)
            )
        except Taken as error:
            raise Overtaken(self.storage.address(key)) from error
        if self.storage.remote:
            self._sweep(manifest)
        return manifest

    def _sweep(self, manifest: Manifest) -> None:
        """Remove parts that nobody names and that are too old to be another writer's work under way."""
        named = {f"{manifest.folder}/{name}" for name in (MANIFEST, *(part.name for part in manifest.parts))}
        self.storage.remove(set(self.storage.older(manifest.folder, UNNAMED)) - named)

    def manifest(self, folder: str) -> Manifest | None:
        """The published manifest of a folder, or None.

        Raises:
            Damaged: the manifest is there and can't be read.
        """
        key = f"{folder}/{MANIFEST}"
        try:
            content = json.loads(self.storage.read(key)[0])
            if content.pop("format") != FORMAT:
                raise Damaged(self.storage.address(key), "was written by another version of the format")
            content["parts"] = tuple(Part(**part) for part in content["parts"])
            return Manifest(**content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            words = f"is not a manifest ({error})"
            raise Damaged(self.storage.address(key), words, "Run the stage that wrote it again.") from error

    def generations(self, stage: str, object: str) -> list[int]:
        """Numbers of an object's generations at a stage that have any folder, published or not, ascending."""
        names = self.storage.folders(f"{stage}/{object}")
        return sorted({int(name[1:5]) for name in names if _GENERATION.match(name)})

    def manifests(self, stage: str, object: str) -> list[Manifest]:
        """All published generations of an object at a stage, oldest first (deleted-record folders aside)."""
        folders = [generation_folder(stage, object, number) for number in self.generations(stage, object)]
        found = at_once(self.storage, self.manifest, folders)
        return [manifest for manifest in found if manifest is not None]

    def damaged(self, stage: str, object: str) -> list[str]:
        """Folders of an object whose artifact was set aside and hasn't been written anew."""
        keys = set(self.storage.keys(f"{stage}/{object}"))
        ends = f"/{MANIFEST}.damaged"
        folders = [key.removesuffix(ends) for key in keys if key.endswith(ends)]
        return sorted(folder for folder in folders if f"{folder}/{MANIFEST}" not in keys)

    def must_be_whole(self, stage: str, object: str) -> None:
        """Make sure that no generation of an object is missing because it was set aside.

        Raises:
            Damaged: one is; names the stage to run again.
        """
        for folder in self.damaged(stage, object):
            remedy = f"Run `migrate {_command(stage)}` again; it writes `{object}` anew."
            raise Damaged(self.storage.address(folder), "was damaged and set aside", remedy)

    def verify(self, manifest: Manifest) -> None:
        """Compare every part with its digest; a part that differs is set aside.

        Raises:
            Damaged: a part is absent or differs; names it and the stage to run again.
        """
        keys = [f"{manifest.folder}/{part.name}" for part in manifest.parts]
        for part, found in zip(manifest.parts, at_once(self.storage, self.storage.find, keys), strict=True):
            if found is None:
                raise self._missing(manifest, part)
            if (found.bytes, found.sha256) != (part.bytes, part.sha256):
                raise self._spoilt(manifest, part)

    def _missing(self, manifest: Manifest, part: Part) -> Damaged:
        place = self.storage.address(f"{manifest.folder}/{part.name}")
        return Damaged(place, "is missing, though the manifest names it", _remedy(manifest))

    def _spoilt(self, manifest: Manifest, part: Part) -> Damaged:
        key = f"{manifest.folder}/{part.name}"
        aside = self.storage.set_aside(key)
        self.storage.set_aside(f"{manifest.folder}/{MANIFEST}")
        words = f"differs from its digest and was set aside as {aside}"
        return Damaged(self.storage.address(key), words, _remedy(manifest))

    def path(self, manifest: Manifest, name: Part | str) -> Path:
        """The local path of a part, or of a copy of it.

        Raises:
            Damaged: a remote part is absent or differs, or the manifest names no such part.
        """
        part = name if isinstance(name, Part) else self._part(manifest, name)
        try:
            return self.storage.local(f"{manifest.folder}/{part.name}", part.sha256)
        except FileNotFoundError as error:
            raise self._missing(manifest, part) from error
        except Damaged as error:
            raise self._spoilt(manifest, part) from error

    def _part(self, manifest: Manifest, name: str) -> Part:
        for part in manifest.parts:
            if part.name == name:
                return part
        place = self.storage.address(f"{manifest.folder}/{name}")
        raise Damaged(place, "is no longer in the manifest", "Restore the stage folder from a backup.")

    def named(self, folder: str, name: str) -> Path:
        """The local path of a part by folder and name, whether or not its manifest is still there.

        Raises:
            Damaged: it isn't there.
        """
        manifest = self.manifest(folder)
        if manifest is not None and any(part.name == name for part in manifest.parts):
            return self.path(manifest, name)
        try:
            return self.storage.local(f"{folder}/{name}")
        except FileNotFoundError as error:
            place = self.storage.address(f"{folder}/{name}")
            raise Damaged(place, "is missing", "Restore the stage folder from a backup.") from error

    def paths(self, folder: str, parts: Sequence[Part]) -> list[str]:
        """Local paths of parts that are to be published in this folder and aren't yet.

        Raises:
            Damaged: a remote part is absent or differs.
        """
        names = [(f"{folder}/{part.name}", part.sha256) for part in parts]
        try:
            found = at_once(self.storage, lambda each: self.storage.local(*each), names)
            return [str(path) for path in found]
        except FileNotFoundError as error:
            remedy = "Run `migrate extract` again."
            raise Damaged(self.storage.address(folder), "lacks a part that was written", remedy) from error

    def files(self, manifest: Manifest) -> list[str]:
        """Absolute local paths of the parts, in order."""
        paths = at_once(self.storage, lambda part: self.path(manifest, part), manifest.parts)
        return [str(path) for path in paths]

    def read(self, manifest: Manifest, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Stream the rows, part by part."""
        import pyarrow.parquet as pq

        for part in manifest.parts:
            with pq.ParquetFile(self.path(manifest, part)) as source:
                yield from source.iter_batches(columns=list(columns) if columns else None)

    def discard(self, folder: str) -> None:
        """Remove a folder's artifact: the manifest first, so that half of it never counts."""
        key = f"{folder}/{MANIFEST}"
        if self.storage.remote:
            # Only what this manifest names: what else lies there may be another writer's, or ages away.
            with contextlib.suppress(Damaged):
                if former := self.manifest(folder):
                    self.storage.remove([key])
                    self.storage.remove(f"{folder}/{part.name}" for part in former.parts)
                    return
            self.storage.remove([key])
            return
        self.storage.remove([key])
        self.storage.clean(folder)
        self.storage.remove(self.storage.keys(folder))


def _command(stage: str) -> str:
    return {"source": "extract", "target": "extract"}.get(stage.split("/")[0], "transform")


def _remedy(manifest: Manifest) -> str:
    return f"Run `migrate {_command(manifest.stage)}` again; it writes `{manifest.object}` anew."


def generation_folder(stage: str, object: str, generation: int) -> str:
    """The folder of one object's generation at a stage."""
    return f"{stage}/{object}/g{generation:04d}"
