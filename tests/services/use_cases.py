"""Every use case that writes, and what it needs; how one is called with the simplest arguments that there are."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_origin
from uuid import UUID

from portal import services
from portal.core.access import PERMISSIONS
from portal.services import (
    cancellations,
    channels,
    disputes,
    intake,
    links,
    merchants,
    photos,
    pictures,
    tasks,
    work,
)
from portal.services.docking import matching, receiving, unexpected
from portal.services.filing import returns, shipping
from portal.services.handling import assigning, confirmation, deciding, desk, entry, presence, requests, tags
from portal.services.ledgers import accounting, credits
from portal.services.lists import views, worklist
from portal.services.past import replay
from portal.services.paying import bank, bank_accounts, byhand
from portal.services.persons import sessions, staff
from portal.services.refunding import allowances, refunds
from portal.services.rules import policies, workflows
from portal.services.stockroom import stocktaking
from portal.services.talking import canned, notices, playbooks, scoring, threads
from portal.services.warehousing import warehouse

Function = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One use case with the permission that it asks for."""

    call: Function
    needs: str
    given: Mapping[str, Any] = field(default_factory=dict)
    """What is given for a parameter; the name of something in the shop where it is one of ``SUBJECTS``."""

    @property
    def name(self) -> str:
        return name_of(self.call)

    def refusals(self, role: str) -> set[str]:
        """The permissions for want of which ``role`` may be refused: the one, or what the same call asks before it."""
        return {one.needs for one in cases() if one.call is self.call and role not in PERMISSIONS[one.needs]}


def a(call: Function, **given: Any) -> tuple[Function, Mapping[str, Any]]:
    return call, given


OF_PEOPLE = (staff.set_roles, staff.sign_out_everywhere, staff.set_active)
"""What is done to a person, who may work for several shops: whoever edits the people of another does not find them."""

NEEDS: dict[str, tuple[Function | tuple[Function, Mapping[str, Any]], ...]] = {
    "returns.read": (presence.here, threads.mark_read, a(threads.write, kind="note"), a(views.save, shared=False)),
    "returns.create": (
        returns.start_draft, returns.set_customer, returns.set_order, returns.choose_lines, returns.answer,
        returns.set_address, returns.doubt_address, returns.doubt_sending, returns.set_note, entry.begin,
        entry.take_customer, entry.settle_way,
        shipping.choose_sending, confirmation.confirm, confirmation.cancel, photos.add, photos.remove,
        notices.resend, notices.resend_last, notices.mail_again, cancellations.choose, cancellations.confirm_both,
    ),
    "returns.approve": (
        deciding.decide, deciding.approve, deciding.decline, deciding.undo,
        a(desk.close, reason="no reason"), shipping.label_again,
    ),
    "returns.override": (desk.reopen,),
    "returns.receive": (
        receiving.receive, receiving.take_in, shipping.hand_over, unexpected.note, unexpected.identify,
        a(matching.match, return_id="back"), a(pictures.add, subject="unexpected"),
    ),
    "returns.inspect": (
        receiving.inspect, unexpected.decide, a(pictures.add, subject="inspection"),
        a(receiving.take_in, intake=receiving.Intake(counts={}, missing={UUID(int=1): 1})),
    ),
    "returns.assign": (assigning.assign, tags.add, tags.remove),
    "links.manage": (links.send_link, links.revoke, links.extend, links.reissue),
    "messages.send": (
        a(threads.write, attached=[(b"", None)]), requests.ask, requests.withdraw, a(pictures.add, subject="message"),
    ),
    "disputes.handle": (
        a(disputes.reply, attached=[b""]), disputes.escalate, disputes.reject, disputes.offer, disputes.withdraw_offer,
        disputes.accept, disputes.decline, a(pictures.add, subject="dispute"),
    ),
    "disputes.decide": (disputes.settle, disputes.pay_again),
    "refunds.propose": (
        refunds.propose, refunds.revise, refunds.approve, refunds.cancel, allowances.create, credits.spend,
        tasks.close, bank_accounts.give,
    ),
    "refunds.approve": (
        refunds.retry, bank.collect, bank.release, bank.execute, bank.returned, bank.cancel, credits.void,
        byhand.settle_by_hand, byhand.redirect, byhand.reclaim,
    ),
    "finance.edit": (a(accounting.set_accounts, value={"unknown": 1}),),
    "cancellations.propose": (
        cancellations.propose, a(cancellations.withdraw, return_id="canceled"),
        a(cancellations.remind, return_id="canceled"),
    ),
    "stock.edit": (stocktaking.count, warehouse.record_answer),
    "work.manage": (channels.resend, worklist.resume),
    "orders.import": (intake.import_orders, replay.replay),
    "policies.edit": (
        merchants.publish, policies.write, policies.discard, policies.take_up, policies.publish_draft,
        bank_accounts.set_of_merchant,
    ),
    "workflows.edit": (
        workflows.write, workflows.discard, workflows.take_up, workflows.publish, workflows.install,
    ),
    "answers.edit": (canned.save, a(canned.save, answer_id="answer_id"), canned.remove, playbooks.save),
    "views.share": (a(views.save, shared=True),),
    "people.edit": (a(staff.invite, roles="a role"), staff.invite, a(staff.set_roles, roles="a role"),
                      *OF_PEOPLE),
}  # fmt: skip
"""Permission -> the use cases that ask for it, at the shop of what they touch."""

OF_CUSTOMERS: tuple[Function | tuple[Function, Mapping[str, Any]], ...] = (
    a(cancellations.confirm, return_id="canceled"), a(cancellations.decline, return_id="canceled"),
    a(cancellations.score, return_id="canceled"), a(disputes.open_dispute, return_id="back", attached=[b""]),
    disputes.counter, disputes.take_back, a(requests.answer, attached=[(b"", None)]), scoring.score, links.mark_opened,
)  # fmt: skip
"""What only the holder of the link to that return does, and nobody of the shop for them."""

OF_ONESELF: tuple[Function, ...] = (
    sessions.end_one, views.rename, views.share, views.delete,
)  # fmt: skip
"""What belongs to a person: for everybody else, colleagues of every role too, it is not there."""

ELSEWHERE = {
    "persons.people.change_password": "takes nobody's id: it is about whoever asks, and wants their password",
    "persons.sessions.end_others": "takes nobody's id: it ends sessions of whoever asks and of nobody else",
    "handling.bulk.run": "answers for each return what its use case says; a test of its own looks at that",
    "refunding.allowances.proposal": "keeps nothing: what it works out is undone",
    "refunding.refunds.revision": "keeps nothing: what it works out is undone",
}
"""Writing use cases that are in no list above, and why."""


def cases() -> Iterator[Case]:
    for permission, listed in NEEDS.items():
        for one in listed:
            call, given = one if isinstance(one, tuple) else (one, {})
            yield Case(call=call, needs=permission, given=given)


def of_customers() -> Iterator[Case]:
    for one in OF_CUSTOMERS:
        call, given = one if isinstance(one, tuple) else (one, {})
        yield Case(call=call, needs="returns.create", given=given)


# -------------------------------------------------------------------------------------------- how they are called

EMPTY: dict[Any, Any] = {str: "", int: -1, bool: False, bytes: b"", Mapping: {}, Sequence: ()}
"""Nothing that any use case would be content with; None for whatever else is wanted."""


def arguments(case: Case, there: Mapping[str, Any]) -> dict[str, Any]:
    """Ids of what is ``there`` by the names of the parameters, and for what nobody needs nothing at all."""
    found: dict[str, Any] = {}
    for name, one in list(inspect.signature(case.call, eval_str=True).parameters.items())[1:]:
        if name in case.given:
            value = case.given[name]
            found[name] = there[value] if isinstance(value, str) and value in there else value
        elif name in there and (one.default is one.empty or name == "order_id"):
            found[name] = there[name]
        elif one.default is one.empty:
            found[name] = EMPTY.get(get_origin(one.annotation) or one.annotation)
    return found


def names_something(case: Case, there: Mapping[str, Any]) -> bool:
    """Whether anything of a shop is named at all."""
    given = arguments(case, there)
    return "item_id" in given or any(isinstance(one, (UUID, dict)) and one for one in given.values())


# ----------------------------------------------------------------------------------------------- which there are


def name_of(function: Function) -> str:
    return f"{function.__module__.removeprefix('portal.services.')}.{function.__name__}"


def writing() -> dict[str, Function]:
    """The public functions of the services that take an ``actor`` first and open a transaction, or call what does.

    Durable work is written by what keeps it, in no transaction of ours.
    """
    found = {}
    for module in pkgutil.walk_packages(services.__path__, "portal.services."):
        for function in vars(importlib.import_module(module.name)).values():
            if not inspect.isfunction(function) or function.__module__ != module.name:
                continue
            takes = list(inspect.signature(function).parameters)
            if takes[:1] == ["actor"] and not function.__name__.startswith("_") and _writes(function):
                found[name_of(function)] = function
    return found


@cache
def _writes(function: Function) -> bool:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if function is work.resume or any(
        isinstance(one, ast.Name) and one.id == "transaction" for one in called
    ):
        return True
    return any(_writes(one) for one in _callees(function, called) if one is not function)


def _callees(function: Function, called: Sequence[ast.expr]) -> Iterator[Function]:
    """What it calls of the services, by name or as ``module.name``."""
    known = function.__globals__
    for node in called:
        one: Any = None
        if isinstance(node, ast.Name):
            one = known.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            one = getattr(known.get(node.value.id), node.attr, None)
        if inspect.isfunction(one) and one.__module__.startswith("portal.services."):
            yield one
