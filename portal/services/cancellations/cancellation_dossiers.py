"""One cancellation with everything that is known of it, for the people of its merchant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from portal.core.access import Actor
from portal.core.links import FINISH, LinkFacts
from portal.services import cancellations, links
from portal.services.cancellations import CancellationPage
from portal.services.handling import dossiers
from portal.services.handling.dossiers import HappeningFacts
from portal.services.talking import notices
from portal.services.talking.notices import MailFacts


@dataclass(frozen=True, kw_only=True)
class CancellationDossier:
    """One cancellation with its history, messages and links."""

    page: CancellationPage
    history: tuple[HappeningFacts, ...]
    mails: tuple[MailFacts, ...]
    links: tuple[LinkFacts, ...]

    @property
    def proposal(self) -> LinkFacts | None:
        """The link with which the customer answers, while it is open."""
        return next(
            (
                link
                for link in self.links
                if link.purpose == FINISH and link.standing(self.page.now) == "open"
            ),
            None,
        )

    @property
    def invitation(self) -> MailFacts | None:
        """The message that asked the customer, as it was last sent."""
        asked = ("cancellation_proposed", "cancellation_reminder")
        return next((mail for mail in reversed(self.mails) if mail.event in asked), None)


def dossier(actor: Actor, return_id: UUID, *, now: datetime) -> CancellationDossier:
    """Raises ``NotFound``, also for a return that is no cancellation, and ``NotAllowed``."""
    page = cancellations.page(actor, return_id, now=now)
    return CancellationDossier(
        page=page,
        history=dossiers.happenings(return_id),
        mails=tuple(notices.of_return(return_id)),
        links=tuple(links.of_return(return_id)),
    )
