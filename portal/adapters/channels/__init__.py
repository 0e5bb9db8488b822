"""How a shop's own system is told what changed about its orders.

May import: core, ports.
"""

from portal.adapters.channels.sandbox import SandboxChannel
from portal.adapters.channels.webhook import WebhookChannel
from portal.ports import Channel
from portal.settings import Settings


def build(settings: Settings) -> Channel:
    """The channel that the settings ask for."""
    if settings.channel == "sandbox":
        return SandboxChannel(folder=settings.data_dir / "sandbox-channel")
    return WebhookChannel(url=settings.channel_url, secret=settings.channel_secret)
