"""What can be made in a target before anything is loaded, and what may our credential do there?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NewOption:
    """A picklist value that the target lacks and the plan adds."""

    object: str
    field: str
    value: str
    label: str


@dataclass(frozen=True)
class NewField:
    """A field that the target lacks and the plan needs. `unique`: two records never share a value of it.

    `kind`: a word of `migrate.types.Kind`. `length` in characters, `precision` and `scale` in decimal
    digits; None: the connector's choice. `required`: the target refuses a record without it. `reference`:
    the target object that it refers to; with `detail` a record belongs to the one that it refers to, and
    goes with it, where the vendor knows such references. `options`: the values of a picklist.
    """

    object: str
    name: str
    label: str
    kind: str
    unique: bool = False
    description: str = ""
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    required: bool = False
    reference: str | None = None
    options: tuple[NewOption, ...] = ()
    detail: bool = False


@dataclass(frozen=True)
class NewObject:
    """An object that the target lacks and the plan makes.

    `name_field`: the field that names a record for people; one of `fields`, or one that every new object
    has from its first day. `fields`: all that the plan makes with it; each stands among the changes, too,
    and counts as made with the object where the connector makes both in one call. `links`: objects whose
    records its records are linked to.
    """

    object: str
    label: str
    plural: str
    name_field: str
    description: str = ""
    fields: tuple[NewField, ...] = ()
    searchable: tuple[str, ...] = ()
    secondary: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewLabel:
    """A link label that the target lacks and the plan uses. `inverse`: how it reads from the right end."""

    left: str
    right: str
    label: str
    inverse: str | None = None


@dataclass(frozen=True)
class NewHelper:
    """What a connector needed, and made, beside what was asked for. `kind`: in the vendor's own word.

    `object`: for whose sake; where it serves several, the vendor's own object in which it is kept.
    """

    object: str
    kind: str
    name: str


@dataclass(frozen=True)
class Rights:
    """What our credential may do. `missing` and `excess` are sentences for people."""

    user: str
    granted: tuple[str, ...]
    missing: tuple[str, ...]
    excess: tuple[str, ...]
    calls_left: int | None = None
    calls_max: int | None = None


SchemaChange = NewObject | NewField | NewOption | NewLabel | NewHelper
