"""Who is at the browser? A session begins with a one-time link and ends with its time, or by logging out.

The cookie is 256 random bits, made at log-in and never taken from the browser, so that nobody can be given a
session that somebody else knows. The ledger keeps its SHA-256 and the person; what the person may do is asked
of the plan at each request, so that who is taken out of the plan is out at once.

A form carries a token that is made of the cookie and of the form's address: it fits this session and this
form, and no other site can know it.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from migrate.clock import parse_stamp, stamp
from migrate.cutover.tokens import digest_of, redeem
from migrate.ledger import Ledger
from migrate.ledger.tables import sessions

PURPOSE = "console"
IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
_NOTED = timedelta(minutes=1)  # so often is it written down that somebody is there


@dataclass(frozen=True)
class Session:
    """A person at a browser. `cookie`: the secret that the browser sent."""

    cookie: str
    person: str
    made: str

    def form(self, action: str) -> str:
        """The token of a form that is sent to this path."""
        return hmac.digest(self.cookie.encode(), action.encode(), "sha256").hex()

    def fits(self, action: str, token: str) -> bool:
        """Whether a form's token is this session's, and this path's."""
        return hmac.compare_digest(self.form(action).encode(), token.encode("utf-8", "surrogatepass"))


def enter(ledger: Ledger, token: str, former: str) -> Session | None:
    """Log in by a one-time link; None: the link lets nobody in.

    Args:
        former: the cookie that the browser had; its session ends.
    """
    person = redeem(ledger, token, PURPOSE)
    if person is None:
        return None
    cookie = secrets.token_urlsafe(32)
    with ledger.write() as tx:
        oldest = stamp(ledger.clock.now() - ABSOLUTE)
        dead = (sessions.c.digest == digest_of(former)) | (sessions.c.made < oldest)
        tx.sql.execute(sessions.delete().where(dead))
        tx.sql.execute(
            sessions.insert().values(digest=digest_of(cookie), person=person, made=tx.at, seen=tx.at)
        )
        tx.event(person, "console entered")
    return Session(cookie, person, tx.at)


def find(ledger: Ledger, cookie: str, *, looks: bool = False) -> Session | None:
    """Whose session this is; None: nobody's, or its time is over.

    Args:
        looks: the page asks by itself how things stand; nobody need be there, so the idle time runs on.
    """
    if not cookie:
        return None
    digest, now = digest_of(cookie), ledger.clock.now()
    rows = ledger.read(sa.select(sessions).where(sessions.c.digest == digest))
    if not rows:
        return None
    row = rows[0]
    if now - parse_stamp(row.seen) >= IDLE or now - parse_stamp(row.made) >= ABSOLUTE:
        return None
    if not looks and now - parse_stamp(row.seen) >= _NOTED:
        with ledger.write() as tx:
            tx.sql.execute(sessions.update().where(sessions.c.digest == digest).values(seen=tx.at))
    return Session(cookie, str(row.person), str(row.made))


def leave(ledger: Ledger, session: Session) -> None:
    """Log out: the cookie is worth nothing any more."""
    with ledger.write() as tx:
        tx.sql.execute(sessions.delete().where(sessions.c.digest == digest_of(session.cookie)))
        tx.event(session.person, "console left")
