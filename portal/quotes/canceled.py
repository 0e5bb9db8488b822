"""What an answer says of a cancellation beside its refund: what could go, what stays, when services end."""

from typing import Any

from portal.core import cancellations, subscriptions
from portal.core.facts import OrderFacts, ReturnRequest
from portal.core.policy.cases import Finding
from portal.core.policy.terms import Terms
from portal.core.policy.verdict import Verdict
from portal.core.policy.verdict import to_json as plain_verdict
from portal.core.refunds.breakdown import Breakdown
from portal.quotes.requests import Asked


def whole(order: OrderFacts, asked: Asked) -> ReturnRequest:
    """The request with what goes along in bundles, and with how much of its services was had."""
    return cancellations.prepared(order, cancellations.completed(order, asked.request), zone=asked.zone)


def verdict(order: OrderFacts, request: ReturnRequest, terms: Terms, asked: Asked) -> Verdict:
    """Every objection, those of the warehouse among them."""
    return cancellations.judge(
        order,
        request,
        terms,
        asked.constraints,
        now=asked.now,
        zone=asked.zone,
        by_customer=asked.by_customer,
    )


def told(
    order: OrderFacts, request: ReturnRequest, terms: Terms, asked: Asked, breakdown: Breakdown | None
) -> dict[str, Any]:
    """Totals before and after (None where nothing can come of it), offers, and endings, as plain JSON."""
    after = None if breakdown is None else cancellations.after(order, request, breakdown)
    return {
        "totals": {
            "before": vars(cancellations.totals(order)),
            "after": None if after is None else vars(after),
        },
        "offers": _offers(order, terms, asked),
        "endings": _endings(order, request, asked),
    }


def _offers(order: OrderFacts, terms: Terms, asked: Asked) -> list[dict[str, Any]]:
    found = cancellations.offers(
        order,
        terms,
        asked.constraints,
        now=asked.now,
        zone=asked.zone,
        by_customer=asked.by_customer,
    )
    return [
        {
            "line_id": str(offer.line_id),
            "units": offer.units,
            "findings": _findings(offer.findings),
            "endings": list(offer.endings),
            "until": None if offer.until is None else offer.until.isoformat(),
        }
        for offer in found
    ]


def _findings(findings: tuple[Finding, ...]) -> Any:
    return plain_verdict(Verdict(findings=findings, policy_version=0))["findings"]


def _endings(order: OrderFacts, request: ReturnRequest, asked: Asked) -> list[dict[str, Any]]:
    day = request.requested_at.astimezone(asked.zone).date()
    lines = {line.id: line for line in order.lines}
    found = []
    for wanted in request.wanted:
        if wanted.ending and wanted.line_id in lines:
            ends = subscriptions.ended(lines[wanted.line_id], wanted.ending, on=day)
            found.append(
                {
                    "line_id": str(wanted.line_id),
                    "ending": wanted.ending,
                    "ends_on": None if ends.ends_on is None else ends.ends_on.isoformat(),
                    "scope_used": None if ends.scope_used is None else list(ends.scope_used),
                }
            )
    return found
