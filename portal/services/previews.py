"""A message before it is sent, for whoever is about to send it."""

from datetime import datetime, timedelta
from uuid import UUID

from portal.core.access import Actor
from portal.core.links import Site
from portal.core.returns import BY_CUSTOMER, steps_left
from portal.db import merchants, returns
from portal.db.mails import Mail
from portal.ports import Gateways, Rendered
from portal.services import notices, scope


def link_mail(
    actor: Actor, return_id: UUID, *, days: int, gateways: Gateways, site: Site, now: datetime
) -> Rendered:
    """The message with the link to finish this return, as it would go out; nothing is queued or stored.

    The link's place is shown, the link itself does not exist yet. Raises ``NotFound``, ``NotAllowed``.
    """
    row = scope.return_row(actor, return_id, "links.manage")
    merchant, _, terms = merchants.with_terms(row.merchant_id, row.policy_id)
    draft = returns.draft(row)
    left = [step.value for step in steps_left(draft, terms, steps=BY_CUSTOMER)]
    values = notices.values_of(Mail(event="link", values={}, refund_id=None), row, draft, left)
    values["expires_on"] = (now + timedelta(days=days)).date().isoformat()
    return gateways.mailer.render(
        "link",
        language=draft.language,
        zone=merchant.zone,
        merchant=merchant,
        values=values,
        links={"link": f"{site.base_url}/l/…"},
    )
