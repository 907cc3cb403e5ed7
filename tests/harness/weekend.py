"""A weekend of a cutover, played: people who keep editing both systems, a form, an outage, and every command.

Everything comes from one seed. Players act through the control endpoints as somebody else; the product is
driven as an operator would, one process a command, and on some weekends each command is killed every few
seconds and run again. What must have come of it is said by `weekend_oracle`, from the systems' own logs.
"""

from __future__ import annotations

import json
import random
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from migrate.sandbox.server import Running
from tests.harness import lanes
from tests.harness.hold_words import SALESFORCE, last
from tests.harness.lanes import Ended, Lane, Stuck
from tests.harness.under import Order
from tests.harness.weekend_doors import DOOR, Receiver
from tests.harness.weekend_doors import PLAN as DOOR_PLAN
from tests.harness.weekend_oracle import BACK, NEW, Moment, Verdict, edits, home, judge
from tests.harness.weekend_people import COHORTS, People
from tests.harness.weekend_plan import PLAN, RULES

SIGNERS = ("Ada Example", "Ben Example")
OPERATOR = "Max"
# A live way back makes a merged firm's source record the newest: another value survives, and is held.
DESPITE = "what-the-rehearsal-holds-is-at-home-in-the-target"
# What moves a cohort on, and can't be asked for twice.
ONCE = ("cutover start", "cutover freeze", "cutover thaw", "cutover switch", "cutover back")
TOKEN = "pat-na1-sandbox"


@dataclass
class Weekend:
    """One weekend.

    Args:
        mode: of the way back, `journal` or `live`.
        posts: of the web form in each freeze. edits: of people, at each turn.
        killing: SIGKILL each command at random, again and again.
        browser: sign in the console through Chromium.

    `moments`: where the logs of both systems stood when a cohort changed its home. `gates`: lines that were
    red while a value of a picklist was gone, and after it was put back. `overridden`: lines of the report
    that the operator let stand. `kills`: commands that were killed. `faults`: requests that went wrong, those
    of the outage aside.
    """

    lane: Lane
    seed: int
    mode: str
    posts: int = 20
    edits: int = 10
    killing: bool = False
    browser: bool = False
    moments: list[Moment] = field(default_factory=list)
    gates: list[list[str]] = field(default_factory=list)
    overridden: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    kills: int = 0
    faults: int = 0
    conflicts: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - a schedule, not a secret
        self._options: list[Any] = []

    # -- the product --------------------------------------------------------------------------

    def do(self, words: str, codes: Sequence[int] = (0, 1)) -> dict[str, Any]:
        """One command to its end; where kills are on, killed at random and run again until it ends.

        Raises:
            Stuck: it ended with another code.
        """
        started = time.monotonic()
        ended = self._killed(words) if self.killing else self.lane.run(words)
        took = time.monotonic() - started
        name = " ".join(words.split()[:2])
        self.seconds[name] = self.seconds.get(name, 0.0) + took
        # Killed after its last commit, it is over: run again it says so. What follows looks at the state.
        over = self.killing and ended.code == 2 and words.startswith(ONCE)
        if (ended.code not in codes and not over) or not ended.out.strip():
            raise Stuck(f"`{words}` ended with {ended.code}: {ended.out[-1500:]}{ended.err[-2500:]}")
        document: dict[str, Any] = json.loads(ended.out.splitlines()[-1])  # of deltas each round's is a line
        return document

    def _killed(self, words: str) -> Ended:
        for _ in range(3):
            child = self.lane.start(words)
            end = time.monotonic() + self.rng.uniform(1.0, 8.0)
            while time.monotonic() < end and child.state() != "Z":
                time.sleep(0.02)
            if child.state() == "Z":
                return child.wait()
            child.signal(signal.SIGKILL)
            ended = child.wait()
            if not ended.killed:
                return ended
            self.kills += 1
            self.lane.calm(3.0)
        return self.lane.run(words)

    def until(self, words: str, done: Callable[[dict[str, Any]], bool], tries: int = 6) -> dict[str, Any]:
        """A command again and again, until what it says is enough.

        Raises:
            Stuck: it never was.
        """
        found: dict[str, Any] = {}
        for _ in range(tries):
            found = self.do(words, codes=(0, 1, 3))
            if done(found):
                return found
        raise Stuck(f"`{words}` didn't get there: {json.dumps(found)[:1500]}")

    def state(self, cohort: str) -> str:
        """Where a cohort stands."""
        [found] = [each for each in self.do("cutover status")["cohorts"] if each["cohort"] == cohort]
        return str(found["state"])

    # -- the weekend --------------------------------------------------------------------------

    def prepare(self) -> None:
        """The plan, the first extract and the rehearsal; the same for each seed."""
        lane = self.lane
        accounts = sorted(row["Name"] for row in lane.salesforce.control.ndjson("/truth/Account"))
        third = max(1, len(accounts) // 3)
        # The second cohort begins within the pilot: they share a firm, which switches with the first.
        self.bounds: tuple[str, str, str] = (accounts[third], accounts[2 * third], accounts[third - 1])
        users = {row["Email"]: row["Id"] for row in lane.salesforce.control.ndjson("/truth/User")}
        self.form = sorted(users)[-1]
        plan = lane.root / "plan.yaml"
        text = plan.read_text()
        if "cutover: {window: 10 working days}" in text:
            first, second, shared = (name.replace("'", "''") for name in self.bounds)
            words = PLAN.format(first=first, second=second, shared=shared, mode="journal", rules=RULES,
                                form=self.form, door=DOOR_PLAN)  # fmt: skip
            text = text.replace("cutover: {window: 10 working days}\n", words)
            # Until the switch the old system is right, whatever people and automations do in the new one.
            plan.write_text(re.sub(r"(    target: \w+\n)", r"\1    conflict: source\n", text))
        lane.environment["LEGACY_CLIENT_ID"] = "admin-app"  # the way back writes into the old system

    def first(self) -> None:
        """What comes before the rehearsal, the same for all."""
        self.do("discover")
        self.do("check")
        self.do("prepare --yes")
        self.do("extract")
        self.do("transform")

    def rehearse(self) -> None:
        """Write the mode of the way back into the plan, and rehearse it; the same for all seeds of a mode."""
        plan = self.lane.root / "plan.yaml"
        plan.write_text(re.sub(r"mode: (journal|live)", f"mode: {self.mode}", plan.read_text()))
        self.do(f"cutover rehearse --on twin --speed 30 --latency 0.02 --as {OPERATOR}")

    @property
    def clean(self) -> bool:
        """Whether the rehearsal found nothing."""
        newest = max((self.lane.root / ".migrate" / "cutover" / "rehearsals").iterdir(), key=lambda p: p.name)
        found = json.loads(newest.read_text())
        return not (found["findings"] or found["lost"] or found["refusals"])

    def moment(self, cohort: str, side: str) -> None:
        """From here on a cohort's records are at home there."""
        self.moments.append(
            Moment(cohort, side, last(self.lane.salesforce.data), last(self.lane.hubspot.data))
        )

    def storm(self, *systems: Running) -> None:
        """Of the next requests some go wrong: a write is done and its answer lost, the vendor is away."""
        for system in systems:
            lost = {"kind": "drop", "at": "after_commit"}
            orders: list[dict[str, Any]] = [
                {"on": {"method": method, "nth": self.rng.randint(1, 6)}, "do": lost}
                for method in ("POST", "PATCH")
            ]
            away = {"kind": "status", "status": 503}
            orders.append({"on": {"nth": self.rng.randint(2, 30), "times": 3}, "do": away})
            system.control.post("/faults", orders)

    def calm(self) -> None:
        """The storm is over; what went wrong is counted."""
        for system in self.lane.both():
            self.faults += sum(int(each["hits"]) for each in system.control.get("/faults"))
        self.lane.calm()

    def outage(self, seconds: float) -> None:
        """The new vendor is away for some minutes of its own time."""
        self.lane.fault({"kind": "status", "status": 503}, times=None)
        self.do("cutover delta --rounds 1 --cohort pilot", codes=(0, 1, 3))
        time.sleep(seconds / self.lane.speed)
        self.lane.calm()

    def option(self, *, there: bool) -> None:
        """An administrator takes a value out of a picklist of the new system, or puts it back."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx2.Client(base_url=self.lane.hubspot.url, headers=headers, trust_env=False) as client:
            path = "/crm/v3/properties/contacts/lead_source"
            options = client.get(path).raise_for_status().json()["options"]
            if there:
                options = self._options
            else:
                self._options, options = options, options[1:]
            client.patch(path, json={"options": options}).raise_for_status()

    def load_cohorts(self) -> None:
        """All cohorts are loaded while people work on, through an outage."""
        for cohort in COHORTS:
            self.storm(self.lane.hubspot)
            words = f"cutover start --cohort {cohort} --as {OPERATOR}"
            if not self.clean:
                words += f" --despite {DESPITE}"
            self.until(words, lambda _, cohort=cohort: self.state(cohort) == "syncing")  # type: ignore[misc]
            self.calm()
            self.people.busy(self.edits, (BACK,))
        self.outage(120)
        self.people.busy(self.edits, (BACK,))

    def freeze(self, cohort: str) -> None:
        """Freeze, with form posts coming in meanwhile, and drain."""
        others = [each for each in COHORTS if each != cohort]
        self.do(f"cutover delta --cohort {cohort} --as {OPERATOR}")
        self.people.busy(2, (BACK,), others)
        words = f"cutover freeze --cohort {cohort} --wait --brief --as {OPERATOR}"
        half = self.posts // 2
        with Receiver(self.lane) as receiver:
            if self.killing:
                self.do(words)
            else:
                looking = self.lane.start(words)
                for _ in range(half):
                    self.people.post(receiver)
                ended = looking.wait()
                if ended.code != 0:
                    raise Stuck(f"`{words}` ended with {ended.code}: {ended.out[-1500:]}")
            for _ in range(self.posts - (0 if self.killing else half)):
                self.people.post(receiver)
        self.until(
            f"cutover delta --cohort {cohort} --as {OPERATOR}",
            lambda _: self.state(cohort) == "drained",
        )

    def replay(self) -> None:
        """What the receiver kept goes where new records are at home now, each post to its end.

        Raises:
            Stuck: a post is left, or was refused.
        """
        counts = self.do("cutover intake replay")["replayed"]["counts"][DOOR]
        ends = {name: number for name, number in counts.items() if name not in ("received", "created")}
        sent = self.people.buffered
        if counts["received"] != sent or counts["created"] != sent or any(ends.values()):
            raise Stuck(f"of {sent} posts at `{DOOR}` the replay says {counts}")

    def approved(self, cohort: str) -> None:
        """Evidence, gate, two signatures."""
        self.do("validate")
        red = self.do(f"cutover gate --cohort {cohort} --as {OPERATOR}")["red"]
        let = ("check:",) if self.clean else ("check:", "rehearsal")
        if differ := [each for each in red if each.startswith(let)]:
            # What somebody wrote on the wrong side is a difference until a person lets it stand. So is what
            # the rehearsal found, where it found anything.
            why = "what people changed on the wrong side is listed with both values"
            words = ["override", "--cohort", cohort, "--lines", ",".join(differ), "--as", OPERATOR]
            self.do_list([*words, "--reason", why, "--yes"])
            self.overridden.append(f"{cohort}: {', '.join(differ)}")
        self.do(f"cutover gate --cohort {cohort} --request --as {OPERATOR}")
        code = self.do(f"cutover gate --cohort {cohort} --look")["code"]
        for name in SIGNERS:
            if self.browser:
                self._sign_in_the_console(name, code)
                continue
            link = self.lane.base / "link"
            link.write_text(self.do_list(["cutover", "invite", name, "--cohort", cohort])["token"])
            words = ["approve", "--cohort", cohort, "--as", name, "--code", code, "--link", str(link)]
            self.do_list(words)
        found = self.do(f"cutover gate --cohort {cohort} --as {OPERATOR}")
        if found["red"]:
            raise Stuck(f"the gate of `{cohort}` is red: {found['red']}")

    def _sign_in_the_console(self, name: str, code: str) -> None:
        from playwright.sync_api import expect

        from tests.browser.chromium import chromium

        served, up = self.lane.start("console --port 0"), False
        try:
            end = time.monotonic() + lanes.PATIENCE
            while not up:
                told = served.err.read_text() if served.err.exists() else ""  # the product makes it itself
                up = "The console is at" in told
                if not up and (time.monotonic() > end or served.state() == "Z"):
                    raise Stuck(f"the console didn't start: {told[-1000:]}")
                time.sleep(0.1)
            url = self.do_list(["console", "invite", name])["url"]
            with chromium() as browser:
                page = browser.new_page()
                page.set_default_timeout(60_000)
                page.goto(url)
                page.get_by_role("button", name=f"Log in as {name}").click()
                page.get_by_role("link", name=re.compile("Sign")).first.click()
                page.get_by_label("Your name").fill(name)
                page.get_by_label("The evidence code").fill(code)
                page.get_by_label("I approve").check()
                page.get_by_role("button", name="Sign", exact=True).click()
                expect(page.get_by_text(re.compile("signature stands"))).to_be_visible(timeout=60_000)
        finally:
            served.signal(signal.SIGINT if up else signal.SIGKILL)  # before it is up it may heed no other
            served.wait()

    def do_list(self, words: Sequence[str], codes: Sequence[int] = (0, 1)) -> dict[str, Any]:
        """A command whose words have blanks in them."""
        arguments = ["-w", str(self.lane.root), "--json", *words]
        ended = self.lane.products.start(arguments, self.lane.environment, Order()).wait()
        if ended.code not in codes:
            raise Stuck(
                f"`{' '.join(words)}` ended with {ended.code}: {ended.out[-1500:]}{ended.err[-2500:]}"
            )
        return ended.document

    def switch(self, cohort: str) -> None:
        """Switch; nobody is at work in between."""
        self.do(f"cutover switch --cohort {cohort} --yes --as {OPERATOR}")
        if self.state(cohort) != "switched":
            raise Stuck(f"`{cohort}` is {self.state(cohort)} after its switch")
        self.moment(cohort, NEW)

    def play(self) -> None:
        """The whole weekend, forth and back."""
        self.people = People(self.lane, self.seed, self.rng, self.bounds, self.form, self.killing)
        self.load_cohorts()
        self.freeze("pilot")
        self._value_goes_and_comes()
        self.do(f"cutover thaw --cohort pilot --reason more --as {OPERATOR}")
        self.replay()  # into the old system, where they are at home
        self.people.busy(2, (BACK,))
        self.freeze("pilot")
        for cohort in COHORTS:
            if cohort != "pilot":
                self.freeze(cohort)
            self.approved(cohort)
            self.switch(cohort)
            self.replay()  # into the new system once the last cohort is switched
            self.people.sell()  # while other cohorts still come over
            self.people.busy(self.edits, (BACK, NEW))
        for _ in range(3):
            self.people.sell()
        self.people.busy(self.edits, (BACK, NEW))
        self.storm(*self.lane.both())
        self.do("cutover delta --rounds 1 --cohort rest", codes=(0, 1, 3))
        self.calm()
        self.conflicts = self.do("cutover conflicts --limit 1000")["conflicts"]
        for cohort in COHORTS:
            self._home(cohort)
        self.people.busy(2, (BACK,))

    def _value_goes_and_comes(self) -> None:
        for there in (False, True):
            self.option(there=there)
            lines = self.do(f"cutover gate --cohort pilot --as {OPERATOR}", codes=(0, 1))["lines"]
            self.gates.append([each["id"] for each in lines if not each["ok"]])

    def _home(self, cohort: str) -> None:
        """Back to the old system; what both sides changed is listed by the command, too."""
        self.storm(*self.lane.both())
        words = f"cutover back --cohort {cohort} --yes --as {OPERATOR}"
        told = self.until(words, lambda _: self.state(cohort) == "reverted").get("back", {})
        self.calm()
        self.conflicts += [
            {"there": each["new_value"], "here": each["old_value"]}
            for each in (*told.get("left", ()), *told.get("edited", ()))
        ]
        self.moment(cohort, BACK)

    def judged(self) -> Verdict:
        """What the logs of both systems say of it."""
        data = self.lane.salesforce.data, self.lane.hubspot.data
        return judge(
            *data, self.people.cohorts, self.moments, self.conflicts, self.people.posted, self.people.entered
        )

    # -- the oracle is shown red ----------------------------------------------------------------

    def planted(self) -> dict[str, bool]:
        """By kind of mistake, planted with our own user after the weekend: whether the oracle finds it."""
        old, post = self.lane.salesforce, self.lane.salesforce.control.post
        store = SALESFORCE.store(old.data).records
        by_name = {str(v.get("LastName")): id for (kind, id), v in store.items() if kind == "Contact"}
        found = {}
        post(
            "/act",
            {"do": "create", "object": "Contact", "fields": {"LastName": f"Post {self.people.posted[0]}"}},
        )
        found["twin"] = "doubled" in self.judged().wrong
        post("/act", {"do": "delete", "object": "Contact", "id": by_name[f"Person {self.people.entered[0]}"]})
        found["loss"] = "lost" in self.judged().wrong
        standing = {id: values for (_, id), values in store.items()}
        last_edit = next(
            each
            for each in edits(old.data, self.lane.hubspot.data)
            if standing.get(each.id, {}).get(each.field) == each.value
            and home(self.moments, self.people.cohorts.get(each.id, "rest"), each) == each.side
        )
        object = next(kind for kind, id in store if id == last_edit.id)
        order = {
            "do": "update",
            "object": object,
            "id": last_edit.id,
            "fields": {last_edit.field: "w000n0000"},
        }
        post("/act", order)
        found["overwrite"] = "overwritten" in self.judged().wrong
        if self.conflicts:
            kept, self.conflicts = self.conflicts, []
            found["unlisted"] = "unlisted" in self.judged().wrong
            self.conflicts = kept
        return found
