"""Books are streamed for what is in view, and shown only while they are true."""

from __future__ import annotations

from decimal import Decimal

from core.book_service import LEVELS_SHOWN, BookService
from core.models.books import BookLevel, OrderBookSnapshot
from core.models.streams import Channel, Topic


class Port:
    """The seam: remembers what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def subscribe(self, topics: list[Topic]) -> None:
        self.asked += [("+", topic.symbol) for topic in topics if topic.channel is Channel.BOOK]

    def unsubscribe(self, topics: list[Topic]) -> None:
        self.asked += [("-", topic.symbol) for topic in topics]


def book(symbol: str, levels: int = 1) -> OrderBookSnapshot:
    bids = tuple(BookLevel(Decimal(100 - n), Decimal(1)) for n in range(levels))
    asks = tuple(BookLevel(Decimal(101 + n), Decimal(1)) for n in range(levels))
    return OrderBookSnapshot("bybit", symbol, bids, asks, 1)


def test_a_book_is_asked_for_once_and_given_up_with_its_last_viewer():
    port = Port()
    service = BookService(port)
    service.follow({"BTCUSDT"})
    service.follow({"BTCUSDT"})
    service.follow({"BTCUSDT", "ETHUSDT"})
    service.follow(set())
    assert port.asked == [("+", "BTCUSDT"), ("+", "ETHUSDT"), ("-", "BTCUSDT"), ("-", "ETHUSDT")]


def test_only_the_newest_picture_of_what_is_followed_is_shown():
    service = BookService(Port())
    service.follow({"BTCUSDT"})
    service.on_book(book("BTCUSDT"))
    service.on_book(book("SOLUSDT"))
    assert [shown.symbol for shown in service.snapshot()] == ["BTCUSDT"]
    service.follow(set())
    assert service.snapshot() == []
    service.on_book(book("BTCUSDT"))  # the last one on its way
    assert service.snapshot() == []


def test_a_lost_stream_takes_its_books_along():
    service = BookService(Port())
    service.follow({"BTCUSDT"})
    service.on_book(book("BTCUSDT"))
    service.forget()
    assert service.snapshot() == []


def test_a_snapshot_is_bounded():
    service = BookService(Port())
    service.follow({"BTCUSDT"})
    service.on_book(book("BTCUSDT", levels=50))
    [shown] = service.snapshot()
    assert (len(shown.bids), len(shown.asks)) == (LEVELS_SHOWN, LEVELS_SHOWN)


def test_an_exchange_without_books_is_asked_for_none():
    service = BookService(object())
    service.follow({"BTCUSDT"})
    assert service.snapshot() == []
