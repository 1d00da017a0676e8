"""`/v5/private`: orders, executions, positions and the wallet of the account that signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.models.fills import FillKind
from exchanges.simulated.values import (
    Executed,
    OrderChanged,
    PositionChanged,
    VenueEvent,
    WalletChanged,
)
from exchanges.simulated.venue import Venue
from exchanges.simulated.wire.errors import BybitError
from exchanges.simulated.wire.messages import (
    fast_execution_json,
    order_json,
    position_json,
    streamed_execution_json,
    wallet_json,
)
from exchanges.simulated.wire.rest import real_time_ms
from exchanges.simulated.wire.session import StreamSession, encode, request_topics
from exchanges.simulated.wire.signatures import authenticate_stream

_TOPICS = frozenset({"order", "execution", "execution.fast", "position", "wallet"})


class PrivateStream:
    def __init__(self, venue: Venue, *, keys: Mapping[str, str]) -> None:
        self._venue = venue
        self._keys = keys
        self._sessions: dict[str, set[StreamSession]] = {}
        self._messages = 0
        venue.on_event.append(self._on_event)

    def on_request(self, session: StreamSession, request: dict[str, Any]) -> None:
        """Answer one message of a client."""
        match request.get("op"):
            case "ping":
                session.answer(
                    {
                        "req_id": request.get("req_id", ""),
                        "op": "pong",
                        "args": [str(real_time_ms())],
                        "conn_id": session.connection_id,
                    }
                )
            case "auth":
                self._sign_in(session, request)
            case "subscribe":
                self._subscribe(session, request)
            case "unsubscribe":
                session.topics.difference_update(request_topics(request))
                session.answer(_reply(session, request, "unsubscribe", ""))
            case other:
                session.answer(_reply(session, request, str(other), "error:unknown op", ok=False))

    def leave(self, session: StreamSession) -> None:
        """Forget a client that has gone."""
        self._sessions.get(session.api_key, set()).discard(session)

    def _sign_in(self, session: StreamSession, request: dict[str, Any]) -> None:
        try:
            session.api_key = authenticate_stream(request.get("args"), self._keys, real_time_ms())
        except BybitError as error:
            session.answer(_reply(session, request, "auth", error.text, ok=False))
            return
        self._sessions.setdefault(session.api_key, set()).add(session)
        session.answer(_reply(session, request, "auth", ""))

    def _subscribe(self, session: StreamSession, request: dict[str, Any]) -> None:
        topics = request_topics(request)
        unknown = [topic for topic in topics if topic not in _TOPICS]
        if not session.api_key:
            words, ok = "Request not authorized", False
        elif unknown:
            words, ok = f"error:handler not found,topic:{unknown[0]}", False
        else:
            words, ok = "", True

        def acknowledge() -> None:
            session.push_message(_reply(session, request, "subscribe", words, ok=ok))
            if ok:
                session.topics.update(topics)

        session.later(acknowledge)

    def _on_event(self, event: VenueEvent) -> None:
        match event:
            case OrderChanged(order=order):
                self._push(order.account, "order", order.updated_ms, order_json(order))
            case Executed(execution=execution):
                account, time_ms = execution.account, execution.time_ms
                self._push(account, "execution", time_ms, streamed_execution_json(execution))
                if execution.kind is FillKind.TRADE:
                    fast = fast_execution_json(execution)
                    self._push(account, "execution.fast", time_ms, fast)
            case PositionChanged(position=position):
                data = position_json(position, entry_key="entryPrice")
                self._push(position.account, "position", position.updated_ms, data)
            case WalletChanged(wallet=wallet):
                self._push(wallet.account, "wallet", wallet.updated_ms, wallet_json(wallet))

    def _push(self, account: str, topic: str, time_ms: int, data: dict[str, Any]) -> None:
        followers = [s for s in self._sessions.get(account, ()) if topic in s.topics]
        if not followers:
            return
        self._messages += 1
        frame = encode(
            {
                "id": f"{account}_{topic}_{self._messages}",
                "topic": topic,
                "creationTime": time_ms,
                "data": [data],
            }
        )
        for session in followers:
            session.push(frame)


def _reply(
    session: StreamSession, request: dict[str, Any], op: str, words: str, *, ok: bool = True
) -> dict[str, Any]:
    return {
        "success": ok,
        "ret_msg": words,
        "op": op,
        "conn_id": session.connection_id,
        "req_id": request.get("req_id", ""),
    }
