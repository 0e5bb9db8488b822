"""How a demo shop works: its rules, its ready texts, what it tells its people, and a list that all of them share."""

from collections.abc import Mapping
from dataclasses import replace

from portal.core.access import SYSTEM
from portal.core.workflows import DispositionRule, Rule, Rules
from portal.demo.playing import Desk, Story
from portal.services.lists import views
from portal.services.rules import workflows
from portal.services.talking import canned, playbooks

FIT = ("too_small", "too_large", "does_not_fit")
RULES = Rules(
    rules=(
        Rule(id="safety", name="Safety first", outcome="recall", reasons=("allergic_reaction_safety",)),
        Rule(id="often", name="Comes back often", outcome="supervisor", returns_from=5, returns_days=90),
        Rule(id="dear", name="Dear and used", outcome="inspect_first",
             conditions=("used", "damaged", "incomplete"), value_from=15_000),
        Rule(id="size", name="Another size instead", outcome="exchange_first", reasons=FIT),
    ),
    dispositions=(
        DispositionRule(id="expired", name="Past its date", disposition="destroy", reasons=("expired_short_dated",)),
    ),
)  # fmt: skip
CHEAP = Rule(
    id="cheap", name="Cheap and broken: keep it", outcome="refund_without_return",
    reasons=("arrived_damaged", "packaging_damaged"), value_to=1_500,
)  # fmt: skip

TEXTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("Any box will do", {
        "en": "Hello {name}, any box will do, as long as it is closed well. The label goes on the outside. {agent}",
        "de": "Guten Tag {name}, jeder Karton ist recht, wenn er gut verschlossen ist. Das Etikett kommt nach außen. "
              "{agent}",
        "fr": "Bonjour {name}, tout carton convient s'il est bien fermé. L'étiquette se colle à l'extérieur. {agent}",
    }),
    ("When the money comes", {
        "en": "Hello {name}, we send the refund of {number} within three days after your parcel is here. "
              "Your bank may need two to five more days. {agent}",
        "de": "Guten Tag {name}, die Erstattung zu {number} senden wir binnen drei Tagen, nachdem Ihr Paket hier ist. "
              "Ihre Bank braucht danach zwei bis fünf Tage. {agent}",
        "fr": "Bonjour {name}, nous envoyons le remboursement de {number} dans les trois jours après l'arrivée du "
              "colis. Votre banque peut mettre deux à cinq jours de plus. {agent}",
    }),
    ("Only a part can come back", {
        "en": "Hello {name}, of order {order} we can take a part back; the page of your return says which, and why.",
        "de": "Guten Tag {name}, aus der Bestellung {order} können wir einen Teil zurücknehmen; die Seite Ihrer "
              "Rücksendung sagt, was und warum.",
        "fr": "Bonjour {name}, de la commande {order} nous pouvons reprendre une partie ; la page de votre retour dit "
              "laquelle, et pourquoi.",
    }),
)  # fmt: skip
PLAYBOOK = {
    "en": "Two parcels are fine: both may carry a copy of the same label number. Say that each part is refunded as it "
    "arrives, and that nothing is lost when the second one comes a week later.",
    "de": "Zwei Pakete sind in Ordnung. Jeder Teil wird erstattet, sobald er da ist; kommt das zweite eine Woche "
    "später, geht nichts verloren.",
    "fr": "Deux colis, c'est possible. Chaque partie est remboursée à son arrivée ; rien n'est perdu si la seconde "
    "arrive une semaine plus tard.",
}


def stories(desk: Desk) -> list[Story]:
    return [rules(desk), texts(desk), shared(desk)]


def rules(desk: Desk) -> Story:
    """Published three weeks ago; a rule was added last week, by way of a draft."""
    yield desk.on(22, 10)
    workflows.install(SYSTEM, desk.shop, RULES, now=desk.at)
    yield desk.on(6, 11)
    admin = desk.people["admin"]
    revision = workflows.write(
        admin, desk.shop, lambda was: replace(was, rules=(*was.rules, CHEAP)), revision=0, now=desk.at
    )
    workflows.publish(admin, desk.shop, revision=revision, now=desk.at)


def texts(desk: Desk) -> Story:
    yield desk.on(50, 9)
    for name, said in TEXTS:
        canned.save(desk.people["admin"], merchant_id=desk.shop, name=name, texts=said, now=desk.at)
    yield desk.on(30, 9)
    playbooks.save(desk.people["admin"], desk.shop, "split_shipment", PLAYBOOK, now=desk.at)


def shared(desk: Desk) -> Story:
    """Lists that the supervisor made for everybody."""
    yield desk.on(12, 9)
    supervisor = desk.people["supervisor"]
    for name, query in (
        ("Overdue", {"overdue": ["1"]}),
        ("Damaged goods", {"tag": ["damaged"]}),
        ("To be decided", {"state": ["requested", "needs_info"]}),
    ):
        views.save(supervisor, name=name, merchant_id=desk.shop, shared=True, query=query, now=desk.at)
