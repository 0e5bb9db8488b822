"""How a cancellation went for the customer: one press in the message, and a page that keeps the answer."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, request
from werkzeug.wrappers import Response

from portal.services import cancellations
from portal.web.customer.cancellation import OpenedCancellation, open_cancellation
from portal.web.extensions import limiter
from portal.web.forms.cancellations import ScoreForm
from portal.web.page import now, page, redirect_to
from portal.words.cancelling import SCORES

bp = Blueprint("score", __name__, url_prefix="/r/<uuid:return_id>/score")

ASKED_OF = ("confirmed", "closed")
"""States of which it is asked: something left the order."""


@bp.get("")
def show(return_id: UUID) -> Response:
    """The question with what was pressed; nothing is kept by looking. With scripts it sends itself once."""
    opened = open_cancellation(return_id)
    if opened.view.draft.state not in ASKED_OF:
        return redirect_to(opened.url("customer.status.show"))
    kept = opened.view.facts.score
    pressed = request.args.get("score", type=int)
    pressed = pressed if pressed in SCORES else None
    form = ScoreForm(formdata=None, score=pressed or kept, comment=opened.view.facts.comment).offer()
    anew = pressed is not None and pressed != kept
    return _page(opened, form, sends_itself=anew, thanks=kept is not None and not anew)


@bp.post("")
@limiter.limit("30/hour")
def give(return_id: UUID) -> Response:
    """Keep the answer; another one takes its place."""
    opened = open_cancellation(return_id)
    if opened.view.draft.state not in ASKED_OF:
        return redirect_to(opened.url("customer.status.show"))
    form = ScoreForm().offer()
    if not form.validate():
        return _page(opened, form, status=422)
    cancellations.score(
        opened.actor, return_id, score=form.score.data, comment=form.comment.data or "", now=now()
    )
    return redirect_to(opened.url("customer.score.show"))


def _page(
    opened: OpenedCancellation,
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
        **opened.context(form=form, sends_itself=sends_itself, thanks=thanks),
    )
