"""Carriers. Two are built in and need no account: the merchant's own courier, and one of the customer's
choice.

May import: core, ports and the libraries of the provider.
"""

from datetime import timedelta
from pathlib import Path

from portal.adapters.carriers.house import HouseCarrier
from portal.adapters.carriers.own import OwnCarrier
from portal.adapters.carriers.sheets import Sheets
from portal.adapters.documents.papers import Translate, in_words
from portal.ports import Carrier


def build(
    *,
    translate: Translate = in_words,
    data: Path | None = None,
    tracking_url: str = "",
    notice: str | None = None,
    simulated_step: timedelta | None = None,
) -> dict[str, Carrier]:
    """The built-in carriers by code.

    ``translate`` gives the gettext of a language, for the documents. ``data`` is a folder with a rate sheet,
    zones and drop-off points in place of the demonstration ones. ``tracking_url`` is a pattern with
    ``{number}``.
    ``notice`` replaces the label's words about postage. ``simulated_step`` switches tracking of invented
    parcels
    on, for demonstrations, at one step of the way per that time.
    """
    house = HouseCarrier(
        translate=translate,
        sheets=Sheets.of(data) if data else Sheets.demonstration(),
        tracking_url=tracking_url,
        notice=notice,
        simulated_step=simulated_step,
    )
    return {carrier.code: carrier for carrier in (house, OwnCarrier(translate=translate))}
