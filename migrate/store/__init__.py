"""Where do a stage's rows lie, and are they whole? Parquet parts, and the manifests that name them.

`parts.py` writes a part, `artifacts.py` publishes, checks and finds what is made of them. Paths in a
manifest are relative to its folder.
"""

from migrate.store.artifacts import Store, generation_folder
from migrate.store.parts import Manifest, Part, PartWriter

__all__ = ["Manifest", "Part", "PartWriter", "Store", "generation_folder"]
