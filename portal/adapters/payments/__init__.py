"""Payment gateways: one file each, all behind ``ports.Payments``."""

from datetime import timedelta
from pathlib import Path

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Payments


def build(data_dir: Path, *, settles_after: timedelta | None = None) -> dict[str, Payments]:
    """Every gateway of this installation by its code; ``settles_after`` is for the sandbox."""
    sandbox = SandboxPayments(data_dir / "sandbox-gateway.sqlite", settles_after=settles_after)
    return {sandbox.code: sandbox}
