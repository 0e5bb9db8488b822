"""How a cancellation or a refund went for the customer: one press in the message, and a page that keeps the answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.core.facts import CANCELLATIONS
from portal.services import cancellations
from portal.services.talking import scoring
from portal.web.customer.cancellation import open_cancellation
from portal.web.customer.opened import open_return
from portal.web.extensions import limiter
from portal.web.forms.cancellations import ScoreForm
from portal.web.page import now, page, redirect_to
from portal.words.cancelling import SCORES

bp = Blueprint("score", __name__, url_prefix="/r/<uuid:return_id>/score")

ASKED_OF = ("confirmed", "closed")
"""States of a cancellation of which it is asked: something left the order."""


@bp.get("")
def show(return_id: UUID) -> Response:
    """The question with what was pressed; nothing is kept by looking. With scripts it sends itself once."""
    opened, kept, comment, is_asked = _opened(return_id)
    if not is_asked:
        return redirect_to(opened.url("customer.status.show"))
    pressed = request.args.get("score", type=int)
    pressed = pressed if pressed in SCORES else None
    form = ScoreForm(formdata=None, score=pressed or kept, comment=comment).offer()
    anew = pressed is not None and pressed != kept
    return _page(opened, form, sends_itself=anew, thanks=kept is not None and not anew)


@bp.post("")
@limiter.limit("30/hour")
def give(return_id: UUID) -> Response:
    """Keep the answer; another one takes its place."""
    opened, _kept, _comment, is_asked = _opened(return_id)
    if not is_asked:
        return redirect_to(opened.url("customer.status.show"))
    form = ScoreForm().offer()
    if not form.validate():
        return _page(opened, form, status=422)
    keep = cancellations.score if opened.view.draft.kind in CANCELLATIONS else scoring.score
    keep(opened.actor, return_id, score=form.score.data, comment=form.comment.data or "", now=now())
    return redirect_to(opened.url("customer.score.show"))


def _opened(return_id: UUID) -> tuple[Any, int | None, str, bool]:
    """What is open, the answer that is kept with its comment, and whether it is asked."""
    opened = open_return(return_id)
    if opened.is_cancellation:
        canceled = open_cancellation(return_id)
        facts = canceled.view.facts
        return canceled, facts.score, facts.comment, canceled.view.draft.state in ASKED_OF
    answer = scoring.answer(opened.actor, return_id)
    return opened, answer.score, answer.comment, answer.is_asked


def _page(
    opened: Any,
    form: ScoreForm,
    *,
    sends_itself: bool = False,
    thanks: bool = False,
    status: int = 200,
) -> Response:
    return page(
        "customer/score.html",
        fragments=("how",),
        status=status,
        **opened.context(
            form=form,
            sends_itself=sends_itself,
            thanks=thanks,
            is_cancellation=opened.view.draft.kind in CANCELLATIONS,
        ),
    )
