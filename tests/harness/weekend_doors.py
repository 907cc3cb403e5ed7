"""What does a form do while its door is a buffer? It posts to our receiver, and again until it has an answer.

The receiver is the product's own command, a process that may be killed like any other; a post keeps its id
however often it is sent.
"""

from __future__ import annotations

import socket
import time
from contextlib import closing
from types import TracebackType
from typing import Any, Self

import httpx2

from migrate.demo.shape import Seed
from tests.harness import lanes
from tests.harness.lanes import Child, Lane, Stuck

DOOR, PLACE = "event form", "event-form"
KEY = "Event_Post__c"  # takes the id of a post that is made in the old system
PLAN = (
    f"{{name: {DOOR}, object: Contact, door: form, during: buffer, id: post_id, key: {KEY}, "
    "fields: {last_name: LastName, email: Email}}"
)


def with_door(seed: Seed) -> Seed:
    """The old system has a unique field for the posts that come back to it."""
    field = {"name": KEY, "type": "string", "length": 255, "unique": True, "externalId": True}
    seed.salesforce["metadata"]["Contact"] = {"fields": [field]}
    return seed


class Receiver:
    """The receiver while it runs, and the forms that lead to it. Use as a context manager."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        with closing(socket.socket()) as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self._process: Child

    def __enter__(self) -> Self:
        self._client = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()
        self._process.kill()  # whoever has an answer has a post on the disk

    def _start(self) -> None:
        self._process = self.lane.start(f"cutover intake serve --port {self.port}")
        end = time.monotonic() + lanes.PATIENCE
        while True:
            try:
                self._client.get("/")
            except httpx2.TransportError as error:
                if self._process.state() == "Z" or time.monotonic() > end:
                    told = self._process.err.read_text()[-1000:]
                    raise Stuck(f"the receiver doesn't answer: {told}") from error
                time.sleep(0.05)
            else:
                return

    def post(self, id: str, fields: dict[str, Any], *, killed: bool = False) -> None:
        """Send a post until it is answered.

        Args:
            killed: the receiver is killed as soon as it has answered, and the answer is lost: sent again.
        """
        for _ in range(1 + killed):
            self._client.post(f"/{PLACE}", data={"post_id": id, **fields}).raise_for_status()
            if killed:
                self._process.kill()
                self._start()
