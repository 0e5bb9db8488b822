"""Messages in words: templates/email/<event> in the reader's language, as subject, plain text and HTML."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateNotFound,
    UndefinedError,
    select_autoescape,
)

from portal.adapters.mail.canceled import cancellation
from portal.core.facts import CANCELLATIONS
from portal.core.merchants import MerchantFacts
from portal.core.refunds.breakdown import from_json
from portal.core.returns import Sending
from portal.core.shipping import Method
from portal.core.workflows import RECALL
from portal.ports import Rendered
from portal.words import N_, Words, cancelling, disputing, install

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
EVENTS = (
    "link",
    "start_link",
    "link_reissued",
    "status_link",
    "requested",
    "approved",
    "missing",
    "declined",
    "reconsidered",
    "message",
    "needs_info",
    "info_reminder",
    "info_withdrawn",
    "info_expired",
    "received",
    "inspected_changed",
    "refunded",
    "refund_granted",
    "new_link_requested",
    "finance_alert",
    "finance_cancellation",
    "store_credit",
    "account_needed",
    "cancellation_proposed",
    "cancellation_reminder",
    "cancellation_confirmed",
    "cancellation_expired",
    "cancellation_overtaken",
    "cancellation_sent_anyway",
    "dispute_opened",
    "dispute_offer",
    "dispute_answered",
)
"""Every message there is; each is a folder of templates/email."""


NUMBERS = {False: N_("Return number"), True: N_("Cancellation number")}
FOLLOWS = {False: N_("Follow your return"), True: N_("Follow your cancellation")}
"""By whether the message is about a cancellation."""


class Rendering:
    """The half of ``ports.Mailer`` that every mailer shares."""

    @property
    def sender(self) -> str:
        return ""

    def render(
        self,
        event: str,
        *,
        language: str,
        zone: str,
        merchant: MerchantFacts,
        values: Mapping[str, Any],
        links: Mapping[str, str],
    ) -> Rendered:
        words = Words(language, zone)
        return render(event, words=words, merchant=merchant, values=values, links=links)


def render(
    event: str, *, words: Words, merchant: MerchantFacts, values: Mapping[str, Any], links: Mapping[str, str]
) -> Rendered:
    """The message of ``event``. Raises ``ValueError`` for an unknown event, or naming what it lacks."""
    if event not in EVENTS:
        raise ValueError(f"there is no message {event!r}")
    env = _environment(words.language)
    context = {"words": words, "language": words.language, "merchant": merchant, "links": dict(links)}
    try:
        context |= told(words, values)
        subject, text, html = (
            env.get_template(f"email/{event}/{name}").render(context)
            for name in ("subject.txt", "body.txt", "body.html")
        )
    except (KeyError, UndefinedError, TemplateNotFound) as problem:
        raise ValueError(f"the message {event!r} cannot be written: {problem}") from problem
    return Rendered(subject=" ".join(subject.split()), text=_tidy(text), html=html)


def told(words: Words, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates say, in words: ``values`` of the queue with days, amounts and codes written out."""
    sending = _sending(values.get("sending"))
    breakdown = from_json(values["breakdown"]) if values.get("breakdown") else None
    before = from_json(values["before"]) if values.get("before") else None
    refund = values.get("refund")
    ship_by = _day(values.get("ship_by"))
    expires_on = _day(values.get("expires_on"))
    return {
        **{key: values.get(key, "") for key in ("name", "number", "order_number", "note", "decline_message")},
        "is_recall": values.get("handling") == RECALL,
        "is_cancellation": values.get("kind") in CANCELLATIONS,
        "scores": ()
        if values.get("kind") in CANCELLATIONS
        else [(value, words.score(value)) for value in sorted(cancelling.SCORES, reverse=True)],
        "number_is": words.gettext(NUMBERS[values.get("kind") in CANCELLATIONS]),
        "follow": words.gettext(FOLLOWS[values.get("kind") in CANCELLATIONS]),
        "lines": values.get("lines", ()),
        "refused": [
            {**line, "reason": words.decline_reason(line["reason"])} for line in values.get("refused", ())
        ],
        "missing": dict(values.get("missing") or {}),
        "left": [words.step(step) for step in values.get("left", ())],
        "expires": words.day(expires_on, weekday=True) if expires_on else "",
        "ship_by": words.day(ship_by, weekday=True) if ship_by else "",
        "reply_days": values.get("reply_days", 2),
        "sending": sending,
        "method": words.method(sending.method).name if sending else "",
        "has_label": sending is not None and sending.method != Method.OWN_CARRIER,
        "has_qr": bool(values.get("has_qr")),
        "next_steps": words.next_steps(sending, ship_by, breakdown),
        "breakdown": words.breakdown(breakdown, estimate=refund is None) if breakdown else None,
        "before": words.money(before.amount, before.currency) if before and before.assessed else "",
        "changes": words.changed_rows(before, breakdown) if before and breakdown else (),
        "decline_reason": words.decline_reason(values.get("decline_reason")),
        "refund": _refund(words, refund) if refund else None,
        "credit": _credit(words, values["credit"]) if values.get("credit") else None,
        "cancellation": cancellation(words, values["cancellation"], values.get("currency", ""))
        if values.get("cancellation")
        else None,
        "alert": words.task(values["alert"]) if values.get("alert") else "",
        "dispute": disputing.mailed(words, values["dispute"]) if values.get("dispute") else None,
        "thread": _thread(words, values["thread"]) if values.get("thread") else None,
    }


def _thread(words: Words, told: Mapping[str, Any]) -> dict[str, Any]:
    """What was written to the customer, and, where something is asked, what and until which day inclusive."""
    due_at = datetime.fromisoformat(told["due_at"]) if told.get("due_at") else None
    asks = told.get("asks", ())
    return {
        "message": told.get("message", ""),
        "lines": list(told.get("lines", ())) if "photo" in asks else [],
        "photo": "photo" in asks,
        "answer": "answer" in asks,
        "due": words.day(due_at - timedelta(seconds=1), weekday=True) if due_at else "",
    }


def _refund(words: Words, refund: Mapping[str, Any]) -> dict[str, Any]:
    currency = refund["currency"]
    shares = [
        {
            "to": words.goes_to(
                share.get("tender", ""),
                share.get("label", ""),
                share.get("provider", ""),
                share.get("mode", "captured"),
            ),
            "amount": words.money(share["amount"], currency),
            "arrives": words.there_by(
                _day(share.get("arrives_on")),
                share.get("tender", ""),
                share.get("provider", ""),
                share.get("mode", "captured"),
            ),
            "bank_reference": share.get("bank_reference", ""),
        }
        for share in refund.get("shares", ())
    ]
    amounts = cancelling.by_mode(cancelling.moves(words, refund.get("shares", ()), currency))
    return {
        "number": refund["number"],
        "amount": words.money(refund["amount"], currency),
        "shares": shares,
        "is_sent": not set(amounts) - {"captured"},
        "headline": cancelling.headline(words, amounts, currency),
    }


def _credit(words: Words, credit: Mapping[str, Any]) -> dict[str, Any]:
    """What is on a code, which stands here only in the message that is sent."""
    last_day = _day(credit.get("expires_on"))
    return {
        "code": credit["code"],
        "gift_card": credit.get("kind") == "gift_card",
        "card": credit.get("card", ""),
        "balance": words.money(credit["balance"], credit["currency"]),
        "expires": words.day(last_day) if last_day else "",
    }


def _sending(value: Mapping[str, Any] | None) -> Sending | None:
    if not value:
        return None
    known = {key: value[key] for key in Sending.__dataclass_fields__ if key in value}
    defaults = {"carrier": "", "service": "", "rate_id": "", "amount": 0, "pays": ""}
    return Sending(**{**defaults, **known, "method": Method(value["method"])})


def _day(value: str | None) -> date | None:
    return date.fromisoformat(value[:10]) if value else None


def _tidy(text: str) -> str:
    """Plain text without blanks at line ends and with at most one empty line between paragraphs."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip() + "\n"


@cache
def _environment(language: str) -> Environment:
    words = Words(language)
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    install(env, lambda: words)
    env.filters["money"] = lambda amount, currency: words.money(amount, currency)
    return env
