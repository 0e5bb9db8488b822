"""Stock proved: every level, movement, order line and return line, of all merchants or of one."""

from dataclasses import dataclass
from uuid import UUID

from portal.services.proofs import Break
from portal.services.proofs.stock import PROOFS


@dataclass(frozen=True, kw_only=True)
class Result:
    """How many of each were looked at, and what does not hold; the same rows, the same answer."""

    checked: dict[str, int]
    breaks: tuple[Break, ...] = ()

    @property
    def problems(self) -> list[str]:
        return [str(one) for one in self.breaks]


def run(merchant_id: UUID | None = None) -> Result:
    """Look at everything. Without breaks it is a proof, as far as the rows go."""
    found: list[Break] = []
    checked = {name: prove(found, merchant_id) for name, prove in PROOFS}
    return Result(checked=checked, breaks=tuple(found))
