"""A vendor in a bad mood: its bank and its network fail at random, until it calms down."""

from __future__ import annotations

from random import Random

from tests.vendor import Fault, Vendor, Verdict

VERDICTS = {
    Verdict.OK: 78,
    Verdict.SOFT: 7,
    Verdict.HARD: 2,
    Verdict.AUTHENTICATE: 2,
    Verdict.ACTION: 2,
    Verdict.LATER: 9,
}
FAULTS = {
    Fault.LOST_BEFORE: 3,
    Fault.LOST_AFTER: 4,
    Fault.ERROR_AFTER: 2,
    Fault.NONSENSE_AFTER: 1,
    Fault.TOO_MANY: 2,
    Fault.SILENT_BEFORE: 0.3,
    Fault.SILENT_AFTER: 0.3,
}
"""Of a hundred requests."""


class MoodyVendor(Vendor):
    """A vendor whose answers depend on the request, the seed and luck."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.chance = Random(seed)
        self.calm = True

    def next_fault(self, step: str) -> Fault | None:
        """Whether something goes wrong with this request; the bank changes its mind, too."""
        self.asked[step] += 1
        if self.calm:
            return None
        [self.bank] = self.chance.choices([*VERDICTS], [*VERDICTS.values()])
        weights = [*FAULTS.values()]
        [fault] = self.chance.choices([*FAULTS, None], [*weights, 100 - sum(weights)])
        if fault is not None:
            self.asked[f"fault {fault}"] += 1
        return fault

    def calms_down(self) -> None:
        """From now on all goes well, and what was pending is decided."""
        with self.lock:
            self.calm, self.bank = True, Verdict.OK
        self.decides()

    def decides(self) -> None:
        """The bank decides some of what was pending; all of it when calm."""
        with self.lock:
            for side in (self.stripe, self.paypal):
                for charge in side.pending():
                    if self.calm or self.chance.random() < 0.3:
                        side.clears(charge, self._verdict())
            waiting = [
                thing
                for thing in self.things.values()
                if thing.get("object") in ("refund", "REFUND")
                and str(thing.get("status")).lower() == "pending"
            ]
            for refund in waiting:
                if self.calm or self.chance.random() < 0.3:
                    self._refund_decided(refund)

    def _refund_decided(self, refund: dict[str, object]) -> None:
        if refund["object"] == "refund":
            metadata = refund["metadata"]
            assert isinstance(metadata, dict)
            self.stripe.refund_clears(metadata["reference"], self._verdict())
        else:
            self.paypal.refund_clears(str(refund["custom_id"]), self._verdict())

    def _verdict(self) -> Verdict:
        return Verdict.OK if self.chance.random() < 0.8 else Verdict.SOFT
