"""Warehouses: one file each, all behind ``ports.Warehouse``; CONTRACT.md is for whoever connects a real one."""

from datetime import timedelta
from typing import TYPE_CHECKING

from portal.ports import Warehouse

if TYPE_CHECKING:
    from portal.settings import Settings


def build(settings: "Settings", *, settles_after: timedelta | None = None) -> Warehouse | None:
    """The warehouse of this installation, None where there is none; ``settles_after`` is for the sandbox."""
    if settings.warehouse == "sandbox":
        from portal.adapters.warehouse.sandbox import SandboxWarehouse

        return SandboxWarehouse(settings.data_dir / "sandbox-warehouse.sqlite", settles_after=settles_after)
    if settings.warehouse == "rest":
        from portal.adapters.warehouse.rest import RestWarehouse

        return RestWarehouse(url=settings.warehouse_url, secret=settings.warehouse_secret)
    return None
