"""Who holds a one-time link? Links let a named person in once, and the ledger can't tell what they are.

A token is 256 random bits in a link. The ledger keeps its SHA-256 (no salt or slow hash: there is nothing to
guess), for what and for whom it was made, and until when. It is redeemed in one ledger transaction, so that
of two clicks at the same moment one comes too late. Making and using are events of the trail; the token
itself stands in neither. A copy or a restored backup of the ledger has no tokens (`migrate.ledger.copies`).

A link is shown by GET and redeemed by POST: mail scanners open links before people do.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

import sqlalchemy as sa

from migrate.clock import stamp
from migrate.errors import UsageError
from migrate.ledger import Ledger
from migrate.ledger.tables import tokens

BYTES = 32
LONGEST = timedelta(days=30)
_KEPT = timedelta(days=30)  # for how long one that has ended stays, so that `redeem` has few rows


def make(ledger: Ledger, purpose: str, person: str, ttl: timedelta, *, who: str = "") -> str:
    """A new token, to be put into a link; nobody can ask for it again.

    Args:
        purpose: what it opens, `console` or `approve:<cohort>`; it opens nothing else.
        person: whom it lets in, by the plan's name.
        who: the one who made it; the default is `person`.

    Raises:
        UsageError: it would end at once, or live for longer than 30 days.
    """
    if not timedelta(0) < ttl <= LONGEST:
        raise UsageError("A link lives for between a second and 30 days.", "Give a shorter time.")
    token = secrets.token_urlsafe(BYTES)
    now = ledger.clock.now()
    with ledger.write() as tx:
        tx.sql.execute(tokens.delete().where(tokens.c.until < stamp(now - _KEPT)))
        until = stamp(now + ttl)
        tx.sql.execute(
            tokens.insert().values(
                digest=digest_of(token), purpose=purpose, person=person, made=tx.at, until=until
            )
        )
        tx.event(who or person, "link made", person=person, purpose=purpose, until=until)
    return token


def peek(ledger: Ledger, token: str, purpose: str) -> str | None:
    """Whom a token would let in now, without using it; None: nobody."""
    table = tokens
    person = ledger.value(
        sa.select(table.c.person).where(
            table.c.digest == digest_of(token),
            table.c.purpose == purpose,
            table.c.used.is_(None),
            table.c.until > stamp(ledger.clock.now()),
        )
    )
    return None if person is None else str(person)


def redeem(ledger: Ledger, token: str, purpose: str) -> str | None:
    """Use a token up: whom it lets in; None where it is unknown, for something else, ended, or used."""
    if peek(ledger, token, purpose) is None:  # who guesses doesn't keep writers from the ledger
        return None
    digest = digest_of(token)
    with ledger.write() as tx:
        used = tx.sql.execute(
            tokens.update()
            .where(
                tokens.c.digest == digest,
                tokens.c.purpose == purpose,
                tokens.c.used.is_(None),
                tokens.c.until > tx.at,
            )
            .values(used=tx.at)
        )
        if used.rowcount != 1:
            return None
        person = str(tx.sql.execute(sa.select(tokens.c.person).where(tokens.c.digest == digest)).scalar_one())
        tx.event(person, "link used", purpose=purpose)
    return person


def spent(ledger: Ledger, token: str) -> None:
    """Let a token open nothing any more, whether it was used or not; no event, for nothing was opened."""
    with ledger.write() as tx:
        unused = (tokens.c.digest == digest_of(token)) & tokens.c.used.is_(None)
        tx.sql.execute(tokens.update().where(unused).values(used=tx.at))


def withdraw(ledger: Ledger, person: str, *, who: str) -> int:
    """End all unused tokens of a person; how many there were."""
    with ledger.write() as tx:
        ended = tx.sql.execute(
            tokens.delete().where(tokens.c.person == person, tokens.c.used.is_(None), tokens.c.until > tx.at)
        ).rowcount
        if ended:
            tx.event(who, "links withdrawn", person=person, links=ended)
    return int(ended)


def digest_of(token: str) -> str:
    """What the ledger keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
