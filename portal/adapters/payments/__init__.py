"""Payment gateways: one file each, all behind ``ports.Payments``."""

from pathlib import Path

from portal.adapters.payments.sandbox import SandboxPayments
from portal.ports import Payments


def build(data_dir: Path) -> dict[str, Payments]:
    """Every gateway of this installation by its code."""
    sandbox = SandboxPayments(data_dir / "sandbox-gateway.sqlite")
    return {sandbox.code: sandbox}
