"""Which records are linked, by which labels, and which links does HubSpot make by itself?

Links are directional: a label has an id per direction. Batch read takes 1,000 ids and pages within each
id; batch create takes 2,000 pairs, all labels of a pair in one input (HubSpot, associations v4, read
2026-11-23). With the account setting *create and associate companies with contacts*, a contact gets the
company whose domain is the one of its e-mail address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrate.connector import Batch, BatchRefused, Link, Operation, Outcome
from migrate.connectors.http import Reply
from migrate.connectors.hubspot.metadata import Metadata
from migrate.connectors.hubspot.portal import Portal, chunks, next_after
from migrate.connectors.hubspot.reading import Reading
from migrate.connectors.hubspot.replies import Problem, error_body, problem, results, rows
from migrate.errors import Defect

EVERY_LABEL = "*"
REFUSALS = (400, 404, 405, 409, 413, 414, 415, 422)

Pair = tuple[str, str]


class Linking:
    """Reading and writing links."""

    def __init__(self, portal: Portal, metadata: Metadata, reading: Reading) -> None:
        self._portal, self._metadata, self._reading = portal, metadata, reading

    def linked_objects(self, object: str) -> list[str]:
        others = self._metadata.objects()
        found = self._portal.each(lambda other: bool(self._metadata.labels(object, other)), others)
        return [other for other, linked in zip(others, found, strict=True) if linked]

    def read(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        pieces = chunks(list(dict.fromkeys(ids)), self._portal.limits.link_reads)
        self._metadata.labels(left, right)
        return [
            link
            for found in self._portal.each(lambda piece: self._read(left, piece, right), pieces)
            for link in found
        ]

    def _read(self, left: str, ids: Sequence[str], right: str) -> list[Link]:
        path = self._portal.paths.associations(left, right, "/batch/read")
        inputs: list[dict[str, str]] = [{"id": each} for each in ids]
        found: list[Link] = []
        while inputs:
            body = {"inputs": inputs}

            def ask(body: Mapping[str, Any] = body) -> Any:
                return results(self._portal.ask(path, body))

            told = self._portal.again(ask)
            inputs = []
            for result in told["results"]:
                own = str(result["from"]["id"])
                for to in result.get("to") or ():
                    for kind in to.get("associationTypes") or ():
                        label = self._metadata.label(
                            left, right, str(kind["category"]), int(kind["typeId"]), kind.get("label")
                        )
                        found.append(Link(left, own, right, str(to["toObjectId"]), label))
                after = next_after(result)
                if after:
                    inputs.append({"id": own, "after": after})
        return list(dict.fromkeys(found))

    def send(self, batch: Batch) -> list[Outcome]:
        """Link or unlink, in one call. `*` as label unlinks a pair whatever its labels."""
        left, right = batch.links[0].left_object, batch.links[0].right_object
        pairs: dict[Pair, list[int]] = {}
        for index, link in enumerate(batch.links):
            if (link.left_object, link.right_object) != (left, right):
                raise Defect("one batch of links is for one pair of objects")
            pairs.setdefault((link.left, link.right), []).append(index)
        whole = {link.label == EVERY_LABEL for link in batch.links}
        if batch.operation is Operation.UNLINK and whole == {True}:
            to: dict[str, list[dict[str, str]]] = {}
            for one, other in pairs:
                to.setdefault(one, []).append({"id": other})
            inputs: list[dict[str, Any]] = [{"from": {"id": one}, "to": others} for one, others in to.items()]
            tail = "/batch/archive"
        elif True in whole:
            raise Defect("`*` is for unlinking whole pairs, in a batch of its own")
        else:
            inputs = [
                {
                    "from": {"id": one},
                    "to": {"id": other},
                    "types": [self._type(left, right, batch.links[index].label) for index in indexes],
                }
                for (one, other), indexes in pairs.items()
            ]
            tail = "/batch/create" if batch.operation is Operation.LINK else "/batch/labels/archive"
        reply = self._portal.http.call(
            "POST",
            self._portal.paths.associations(left, right, tail),
            json={"inputs": inputs},
            write=True,
            ok=REFUSALS,
        )
        return self._outcomes(batch, pairs, reply)

    def _type(self, left: str, right: str, label: str) -> dict[str, Any]:
        category, type_id = self._metadata.wire(left, right, label)
        return {"associationCategory": category, "associationTypeId": type_id}

    def _outcomes(self, batch: Batch, pairs: Mapping[Pair, list[int]], reply: Reply) -> list[Outcome]:
        if reply.status >= 300:
            whole = problem(error_body(reply))
            if len(pairs) > 1:
                raise BatchRefused(self._portal.system, whole.code, whole.reason)
            return [
                Outcome(index, "refused", code=whole.code or "batch", reason=whole.reason)
                for index in range(len(batch.links))
            ]
        linked, problems = rows(reply)
        said: dict[Pair, Problem | None] = {_pair(result): None for result in linked}
        for each in problems:
            for pair in _blamed(each, {pair: rest for pair, rest in pairs.items() if pair not in said}):
                said[pair] = each
        silent = not problems and (batch.operation is Operation.UNLINK or not reply.body)
        outcomes = []
        for pair, indexes in pairs.items():
            for index in indexes:
                found = said.get(pair)
                if found is not None:
                    status = "unsaid" if found.passing else "refused"
                    outcomes.append(Outcome(index, status, code=found.code, reason=found.reason))  # type: ignore[arg-type]
                else:
                    outcomes.append(Outcome(index, "done" if silent or pair in said else "unsaid"))
        return sorted(outcomes, key=lambda outcome: outcome.index)

    def made_by_automation(self, links: Sequence[Link]) -> set[Link]:
        between = [
            link for link in links if {link.left_object, link.right_object} == {"contacts", "companies"}
        ]
        if not between:
            return set()
        contacts = {_end(link, "contacts") for link in between}
        companies = {_end(link, "companies") for link in between}
        mail = {
            held.asked: (held.values["email"] or "").rpartition("@")[2].lower()
            for held in self._reading.read_back("contacts", ["email"], sorted(contacts), (), None)
        }
        domain = {
            held.asked: (held.values["domain"] or "").lower().removeprefix("www.")
            for held in self._reading.read_back("companies", ["domain"], sorted(companies), (), None)
        }
        return {
            link
            for link in between
            if mail.get(_end(link, "contacts"))
            and mail[_end(link, "contacts")] == domain.get(_end(link, "companies"))
        }


def _end(link: Link, object: str) -> str:
    return link.left if link.left_object == object else link.right


def _pair(result: Mapping[str, Any]) -> Pair:
    one = result.get("fromObjectId") or (result.get("from") or {}).get("id")
    other = result.get("toObjectId") or (result.get("to") or {}).get("id")
    return str(one), str(other)


def _blamed(each: Problem, pairs: Mapping[Pair, list[int]]) -> list[Pair]:
    """The pairs that an error names, by both ends or by the one that it speaks of."""
    named = {
        value
        for name, values in each.context.items()
        if name.lower().endswith(("id", "ids"))
        for value in values
    }
    exact = [pair for pair in pairs if set(pair) <= named]
    if exact or len(pairs) == 1:
        return exact or list(pairs)
    return [pair for pair in pairs if named & set(pair)]
