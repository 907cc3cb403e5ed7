"""Where do a workspace's files lie, and how does one become visible whole? In a folder, or on S3.

Stages, journal, catalogs, reports and blobs know names below a root and the few verbs of `Storage`;
`folder.py` and `s3.py` carry them out, `cache.py` keeps local copies of what lies on S3. What has a name
is whole: a file is written aside and renamed, an object is put in one call. Nothing here knows what the
bytes mean.
"""

from __future__ import annotations

from pathlib import Path

from migrate.storage.folder import (
    FolderStorage,
    drop,
    flush_file,
    flush_folder,
    free_name,
    sha256_of,
    space,
    write_aside,
)
from migrate.storage.kind import ANY, NEW, Found, Storage, Taken, at_once

__all__ = [
    "ANY",
    "NEW",
    "FolderStorage",
    "Found",
    "Storage",
    "Taken",
    "at_once",
    "drop",
    "flush_file",
    "flush_folder",
    "free_name",
    "sha256_of",
    "space",
    "storage_of",
    "write_aside",
]


def storage_of(place: Path | Storage) -> Storage:
    """A path is a folder."""
    return FolderStorage(place) if isinstance(place, Path) else place
