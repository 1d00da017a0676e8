"""The one place that knows Apprise: addresses like `tgram://token/chat`, a hundred services.

An address holds a token, so it is never logged: the library's own log is silenced, and what we say
of a channel is its service's name.
"""

from __future__ import annotations

import logging

import apprise

_LOGGERS = ("apprise", "urllib3", "requests", "requests_oauthlib")


class AppriseSender:
    """Blocking: call it from a thread."""

    def __init__(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._asset = apprise.AppriseAsset(
            app_id="TwinStar Quantum", secure_logging=True, async_mode=False
        )

    def service(self, address: str) -> str:
        """Its name. Raises ValueError for an address that is none."""
        plugin = apprise.Apprise.instantiate(address, asset=self._asset, suppress_exceptions=True)
        if plugin is None:
            raise ValueError("That is no address of a channel, such as tgram://token/chat.")
        return str(plugin.service_name)

    def send(self, address: str, title: str, text: str) -> bool:
        """Whether the service has taken it. Never raises for a service that fails."""
        sender = apprise.Apprise(asset=self._asset)
        if not sender.add(address):
            return False
        return bool(sender.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT))
