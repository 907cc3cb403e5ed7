"""What does a system hold? Its objects, fields, picklists and references, as discovered.

A catalog is plain data with a digest, so that `check`, `transform` and `load` can say that they
speak of the same system. Vendor words end here: a connector translates its describe calls.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Default

from migrate.types import Kind


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _unknown(value: object) -> bool:
    """Left out of a catalog's text, so that catalogs of before this was known keep their digests."""
    return value is None or value == ()


def _absent(value: object) -> bool:
    """The same, where an empty list says something."""
    return value is None


class Option(_Model):
    """One value of a picklist. `parent`, `parents`: values of the field's `within` that it is valid with."""

    value: str
    label: str
    active: bool = True
    parent: str | None = None
    parents: tuple[str, ...] | None = Default(default=None, exclude_if=_absent)

    @property
    def beside(self) -> frozenset[str] | None:
        """The values of the deciding field that it is valid with; None: with any."""
        if self.parents is not None:
            return frozenset(self.parents)
        return None if self.parent is None else frozenset({self.parent})


ANY = "*"  # among the values of `Consent.out`: any value at all


class Consent(_Model):
    """What a field says of whether a person wants to be contacted.

    `channel`: EMAIL, PHONE, FAX, …. Values are the vendor's own texts: `out` says no (`*`: any value does),
    `into` says yes; every other value, and none, says nothing.
    """

    channel: str
    out: tuple[str, ...]
    into: tuple[str, ...] = ()

    def opts_out(self, value: str | None) -> bool:
        """Whether a wire value says no."""
        return value is not None and value != "" and (value in self.out or ANY in self.out)


class Subscription(_Model):
    """A kind of messages that a person may have opted out of."""

    id: str
    name: str
    channel: str
    active: bool = True


class Preferences(_Model):
    """Opt-outs that a system keeps by address, outside its records.

    `addresses`: the field that holds a record's address, by object.
    """

    channels: tuple[str, ...]
    addresses: dict[str, str] = {}
    subscriptions: tuple[Subscription, ...] = ()
    legal_bases: tuple[str, ...] = ()


class Field(_Model):
    """One field of an object."""

    name: str
    label: str
    kind: Kind
    vendor_type: str
    length: int | None = None  # characters
    precision: int | None = None
    scale: int | None = None
    nullable: bool = True
    required: bool = False  # a create without it is refused
    createable: bool = True
    updateable: bool = True
    unique: bool = False
    external_id: bool = False
    calculated: bool = False
    custom: bool = False
    restricted: bool = False  # a picklist that refuses unknown values
    references: tuple[str, ...] = ()
    owner: bool = False  # holds an owner (user) of the system
    # Its record belongs to the one that it refers to, and goes with it (master-detail).
    detail: bool | None = Default(default=None, exclude_if=_unknown)
    options: tuple[Option, ...] = ()
    # The field whose value decides which options are valid: their `parent`. `lenient`: the system's pages
    # hold to it, but its API takes any combination.
    within: str | None = Default(default=None, exclude_if=_unknown)
    lenient: bool | None = Default(default=None, exclude_if=_unknown)
    default: str | None = Default(default=None, exclude_if=_unknown)  # of a new record without a value
    html: bool | None = Default(default=None, exclude_if=_unknown)  # its text is HTML
    held: tuple[str, ...] = ()  # what the vendor makes of a value: names out of `migrate.held`
    # Of a file (`Kind.BINARY`): the fields of the same record that tell its bytes, its MD5 (hex) and its
    # name, and the most bytes that the vendor takes.
    size_in: str | None = Default(default=None, exclude_if=_unknown)
    md5_in: str | None = Default(default=None, exclude_if=_unknown)
    name_in: str | None = Default(default=None, exclude_if=_unknown)
    cid_in: str | None = Default(default=None, exclude_if=_unknown)  # the field of the file's Content-ID
    max_bytes: int | None = Default(default=None, exclude_if=_unknown)
    consent: Consent | None = Default(default=None, exclude_if=_unknown)


def takes_back_no(field: Field | None, value: str | None) -> bool:
    """Whether writing this wire value could take back a no that stands in the field."""
    return field is not None and field.consent is not None and not field.consent.opts_out(value)


def says_yes(field: Field | None, value: str | None) -> bool:
    """Whether a new record with this wire value would say yes for a person."""
    return field is not None and field.consent is not None and value in field.consent.into


class LinkType(_Model):
    """A kind of link between two objects, by the label that a plan uses. `wire` is the vendor's own id."""

    left: str
    right: str
    label: str
    wire: str


class Sales(_Model):
    """Which fields of an object tell of sales, where its records are such.

    `closed`: true once it is decided; `won`: true once it is won; `closes`: the day (to be) decided;
    `probability`: from 0 to 1, to 100 where `percent`.
    """

    amount: str
    name: str | None = None
    currency: str | None = None
    closes: str | None = None
    closed: str | None = None
    won: str | None = None
    probability: str | None = None
    percent: bool = False

    def there(self, fields: Collection[str]) -> Sales | None:
        """As much of it as an object with these fields has; None without the amount."""
        if self.amount not in fields:
            return None
        named = ("name", "currency", "closes", "closed", "won", "probability")
        return self.model_copy(
            update={key: name if (name := getattr(self, key)) in fields else None for key in named}
        )


class ObjectSchema(_Model):
    """One object (sObject, table, module) of a system.

    `key_by`: how one of its records can carry a migration key. `stamp`: the field that moves
    with every change. `url`: pattern of a record's page, with `{id}`; `urls`: others that lead to the same
    record, as they stand in old texts. `short_id`: so many characters of an id name it, too. `key_field`: the
    only field that can hold a migration key, where the vendor takes no field of ours; then no other can be
    made either. `prefix`: how each id begins, where an id tells its object. `url_field`: the field that holds
    the record's own address, where that is what other texts need of it (a file's). `bytes_url`: pattern of
    the address of a file's bytes, which texts need rather than its page. `sales`: its records are sales.
    """

    name: str
    label: str
    fields: dict[str, Field]
    key_by: Literal["unique field", "by parent and digest", "none"] = "unique field"
    stamp: str | None = None
    created: str | None = None
    url: str | None = None
    urls: tuple[str, ...] = Default(default=(), exclude_if=_unknown)
    short_id: int | None = Default(default=None, exclude_if=_unknown)
    custom: bool = False
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    key_field: str | None = Default(default=None, exclude_if=_unknown)
    prefix: str | None = Default(default=None, exclude_if=_unknown)
    url_field: str | None = Default(default=None, exclude_if=_unknown)
    bytes_url: str | None = Default(default=None, exclude_if=_unknown)
    sales: Sales | None = Default(default=None, exclude_if=_unknown)


class NewObjects(_Model):
    """What a custom object of this system is, before anybody has made it.

    `pattern`: a regular expression for the whole name. `example`: such a name. `object_name`, `field_name`:
    how one is made of words, `{small}` (`broker_fee`) or `{title}` (`Broker_Fee`). `name_field`: the one
    that names a record, where each object is born with it. `fields`, `key_by`, `stamp`, `created`: what
    every object has from its first day.
    """

    pattern: str
    example: str
    object_name: str
    field_name: str
    name_field: str | None = None
    fields: dict[str, Field]
    key_by: Literal["unique field", "by parent and digest", "none"] = "unique field"
    stamp: str | None = None
    created: str | None = None


class FileSource(_Model):
    """One way in which files hang on a system's records: what a plan's `files: {attachments: true}` follows.

    Each record of `object` has one file in its field `content`. Either `parent` refers to the record that it
    hangs on; or `document` is the object whose versions the files are (`by` refers to it), and `through` a
    junction from documents (`left`) to records (`right`). `name`, `title` and the conditions are expressions.
    """

    object: str
    content: str
    name: str  # of the file, with its ending
    at: str  # field of the moment at which it was added
    owner: str | None = None  # field of who owns it
    where: str | None = None  # which of the records
    parent: str | None = None
    document: str | None = None
    title: str | None = None  # of a document
    documents: str | None = None  # which of the documents
    by: str | None = None
    through: str | None = None
    left: str | None = None
    right: str | None = None


class FileTarget(_Model):
    """How a system takes files and hangs them on records.

    `fields`: what every file gets beside name and content, as expressions. `carrier`: the object whose
    records bring files to others: they name files in `carries`, and are linked to the records.
    """

    object: str
    content: str
    name: str
    fields: dict[str, str] = {}
    carrier: str
    carries: str
    at: str
    body: str
    owner: str | None = None


class Owner(_Model):
    """Who may own records. `active` false: kept, but takes no new records.

    `user`: the user's own id, where the system's history names people by another id than an owner's. `queue`:
    it is a queue, from which people take records; nobody is meant by its e-mail address.
    """

    id: str
    email: str | None
    name: str
    active: bool = True
    user: str | None = Default(default=None, exclude_if=_unknown)
    queue: bool | None = Default(default=None, exclude_if=_unknown)


class Catalog(_Model):
    """Everything discovered of one system."""

    type: str
    tenant: str  # the tenant's own id: org, portal, environment
    tenant_name: str = ""
    production: bool = True
    family: str  # prefix of migration keys, from the tenant's id; [A-Za-z0-9_-]+
    api: str
    objects: dict[str, ObjectSchema]
    links: tuple[LinkType, ...] = ()
    owners: tuple[Owner, ...] = ()
    currency: str | None = None
    # None: its objects can't be made by `prepare`.
    new_objects: NewObjects | None = Default(default=None, exclude_if=_unknown)
    preferences: Preferences | None = Default(default=None, exclude_if=_unknown)
    files_in: tuple[FileSource, ...] = Default(default=(), exclude_if=_unknown)
    files_out: FileTarget | None = Default(default=None, exclude_if=_unknown)
    discovered: datetime = Default(exclude=False)

    def digest(self) -> str:
        """SHA-256 over everything but the moment of discovery."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"discovered"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values, and so with a digest of its own."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_digest", None)
        return copied
