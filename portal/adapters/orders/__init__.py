"""Where orders come from. ``build`` gives the source that reads these files."""

from collections.abc import Sequence

from portal.adapters.orders.csv_file import CsvFile
from portal.adapters.orders.mapping import BadMapping as BadMapping
from portal.adapters.orders.mapping import load
from portal.adapters.orders.plain_json import PlainJson
from portal.adapters.orders.shopify import Shopify
from portal.adapters.orders.woocommerce import WooCommerce
from portal.ports import OrderSource

SOURCES = ("shopify", "woocommerce", "json", "csv")


def build(
    source: str, files: Sequence[str], *, mapping: str = "", refunds: Sequence[str] = ()
) -> OrderSource:
    """The orders in ``files``, to be read as those of ``source``. Raises ``BadMapping``."""
    if refunds and source != "woocommerce":
        raise BadMapping("documents of refunds are read with woocommerce alone")
    if source == "shopify":
        return Shopify(files)
    if source == "woocommerce":
        return WooCommerce(files, refunds)
    if source == "json":
        return PlainJson(files)
    if not mapping:
        raise BadMapping("a CSV file needs a mapping file that says which column means what")
    return CsvFile(files, load(mapping))
