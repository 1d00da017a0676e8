"""Order, stop and target lines under the mouse: nothing is sent that was not confirmed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from PyQt6.QtCore import QPointF, QRectF, Qt

from core.models.alerts import AlertState, AlertWish, PriceAlert
from core.models.orders import Order, OrderPurpose, OrderStatus, OrderType, Side
from core.models.positions import Position
from core.snapshots import PositionSnapshot
from ui import theme
from ui.charts.trading_chart import TradingChart
from ui.models.ticket_form import Pending

D = Decimal
ENTRY = D("67000")


@pytest.fixture
def sent(trading_chart: TradingChart, market) -> list[tuple[str, str, Decimal]]:
    """What the chart wants changed; a long position with stop and target is on it."""
    position = Position(
        "main", "BTCUSDT", Side.BUY, D("0.067"), ENTRY, 0,
        unrealized_pnl=D("80.76"), stop_loss=D("66700"), take_profit=D("67600"),
    )  # fmt: skip
    opened_ms = market.first_ms + 450 * market.timeframe_ms
    trading_chart.trades.set_position(
        PositionSnapshot(position, "b", opened_ms, D("0.01"), D("1.5"), True)
    )
    found: list[tuple[str, str, Decimal]] = []
    trading_chart.level_change_wanted.connect(lambda *change: found.append(change))
    return found


def y_of(chart: TradingChart, price: float) -> float:
    return chart.canvas.panes[0].y_of(price)


def drag_stop(chart: TradingChart, hand, by: float = -30, held: str = "") -> None:
    y = y_of(chart, 66_700)
    hand.drag((500, y), (500, y + by), held)


def test_a_new_chart_moves_no_line(trading_chart, hand, sent) -> None:
    """ux 43"""
    assert not trading_chart.levels.is_unlocked
    left = trading_chart.canvas.panes[0].slots[0]
    y = y_of(trading_chart, 66_700)
    hand.drag((500, y), (560, y - 30))
    assert trading_chart.levels.proposal is None
    assert trading_chart.canvas.panes[0].slots[0] < left  # it pans
    assert sent == []


def test_a_dragged_stop_waits_on_its_tick_for_confirm(trading_chart, hand, sent) -> None:
    """ux 40"""
    trading_chart.levels.set_unlocked(True)
    drag_stop(trading_chart, hand)
    proposal = trading_chart.levels.proposal
    assert sent == []
    assert proposal.price % D("0.1") == 0
    assert proposal.price > D("66700")
    confirm = trading_chart._proposals.buttons()["Confirm"].center()
    hand.click(confirm.x(), confirm.y())
    assert sent == [("stop", "BTCUSDT", proposal.price)]
    assert trading_chart.levels.proposal is None
    hand.click(confirm.x(), confirm.y())
    assert len(sent) == 1


@pytest.mark.parametrize("how", ["button", "escape", "lock"])
def test_discard_puts_the_line_back(trading_chart, hand, sent, how: str) -> None:
    """ux 40"""
    trading_chart.levels.set_unlocked(True)
    drag_stop(trading_chart, hand)
    if how == "button":
        at = trading_chart._proposals.buttons()["Discard"].center()
        hand.click(at.x(), at.y())
    elif how == "escape":
        hand.key(Qt.Key.Key_Escape)
    else:
        trading_chart.levels.set_unlocked(False)
    assert trading_chart.levels.proposal is None
    assert trading_chart.levels.snapped(66_700) == D("66700.0")
    assert sent == []


def test_enter_confirms(trading_chart, hand, sent) -> None:
    trading_chart.levels.set_unlocked(True)
    drag_stop(trading_chart, hand)
    hand.key(Qt.Key.Key_Return)
    assert [change[0] for change in sent] == ["stop"]


def test_while_dragging_it_says_money_percent_and_r(trading_chart, hand, sent) -> None:
    """ux 41: at 66,850 the loss is half of the risk."""
    trading_chart.levels.set_unlocked(True)
    hand.press(500, y_of(trading_chart, 66_700))
    hand.move(500, y_of(trading_chart, 66_850), pressed=True)
    proposal = trading_chart.levels.proposal
    assert proposal.is_held
    price = proposal.price
    assert abs(price - D("66850")) < 10
    money = (price - ENTRY) * D("0.067")
    assert proposal.text.startswith(f"−{abs(money):.2f} · −0.2")
    assert proposal.text.endswith("−0.5 R")
    assert trading_chart._proposals.buttons() == {}


def test_with_the_option_lines_move_only_while_alt_is_held(trading_chart, hand, sent) -> None:
    """ux 41"""
    trading_chart.levels.set_unlocked(True)
    trading_chart.levels.needs_alt = True
    drag_stop(trading_chart, hand)
    assert trading_chart.levels.proposal is None
    trading_chart.reset_view()
    drag_stop(trading_chart, hand, held="alt")
    assert trading_chart.levels.proposal is not None


def test_instant_mode_sends_what_is_let_go_of(trading_chart, hand, sent) -> None:
    """ux 40"""
    trading_chart.levels.set_unlocked(True)
    trading_chart.levels.is_instant = True
    y = y_of(trading_chart, 67_600)
    hand.drag((500, y), (500, y + 20))
    ((kind, key, price),) = sent
    assert (kind, key) == ("target", "BTCUSDT")
    assert price < D("67600")


def test_a_working_order_is_moved_by_its_id(trading_chart, hand, sent) -> None:
    trading_chart.levels.set_unlocked(True)
    order = Order(
        "c9", "x9", "main", "b", "BTCUSDT", Side.BUY, OrderType.LIMIT, D("0.1"),
        OrderStatus.ACKNOWLEDGED, OrderPurpose.ENTRY, 0, 0, price=D("66400"),
    )  # fmt: skip
    trading_chart.trades.set_orders([order])
    y = y_of(trading_chart, 66_400)
    hand.drag((500, y), (500, y - 20))
    assert "%" in trading_chart.levels.proposal.text
    hand.key(Qt.Key.Key_Return)
    assert [change[:2] for change in sent] == [("order", "c9")]


def test_back_where_it_was_is_no_change(trading_chart, hand, sent) -> None:
    trading_chart.levels.set_unlocked(True)
    y = y_of(trading_chart, 66_700)
    hand.press(500, y)
    hand.move(500, y - 40, pressed=True)
    hand.move(500, y_of(trading_chart, 66_700), pressed=True)
    price = trading_chart.levels.proposal.price
    hand.release(500, y)
    assert (trading_chart.levels.proposal is None) is (price == D("66700.0"))


def test_its_pill_stands_beside_those_of_the_lines_in_force(trading_chart, hand, sent) -> None:
    trading_chart.levels.set_unlocked(True)
    y = y_of(trading_chart, 66_700)
    hand.drag((500, y), (500, y_of(trading_chart, 66_990)))
    item = trading_chart._proposals
    pale = trading_chart.grab().toImage().pixelColor(round(item._left()) + 20, item._y() - 7)
    assert pale.name() == theme.current().accent.lower()  # drawn where its buttons think it is
    mine = QRectF(item._left(), item._y() - 10, 60, 20)
    assert not any(pill.intersects(mine) for pill in trading_chart.trades.levels.pills())


def test_another_symbol_locks_the_chart(trading_chart, hand, sent) -> None:
    """ux 43"""
    trading_chart.levels.set_unlocked(True)
    trading_chart.set_instrument(2, D("0.01"), "ETHUSDT", "15m", "ETH")
    assert not trading_chart.levels.is_unlocked


@pytest.mark.parametrize(
    ("field", "price"), [("price", 66_500), ("stop", 66_200), ("target", 67_300)]
)
def test_the_ticket_s_prices_are_lines_that_fill_its_fields(
    trading_chart, hand, field: str, price: int
) -> None:
    """ux 42: on a locked chart too, for nothing is sent."""
    moved: list[tuple[str, Decimal]] = []
    sent: list[str] = []
    trading_chart.pending_moved.connect(lambda *change: moved.append(change))
    trading_chart.level_change_wanted.connect(lambda kind, *_: sent.append(kind))
    trading_chart.trades.set_pending(Pending(Side.BUY, D("66500"), D("66200"), D("67300")))
    y = y_of(trading_chart, price)
    hand.drag((500, y), (500, y - 25))
    assert {told for told, _ in moved} == {field}
    ats = [at for _, at in moved]  # at every step, for the ticket follows
    assert ats == sorted(set(ats))
    assert len(ats) > 1
    assert all(at % D("0.1") == 0 and at > price for at in ats)
    assert sent == []
    trading_chart.trades.set_pending(None)
    assert trading_chart.trades.levels.levels == []


def test_a_line_of_the_ticket_goes_back_by_escape(trading_chart, hand) -> None:
    """ux 42"""
    moved: list[Decimal] = []
    trading_chart.pending_moved.connect(lambda _field, at: moved.append(at))
    trading_chart.trades.set_pending(Pending(Side.BUY, D("66500")))
    y = y_of(trading_chart, 66_500)
    hand.press(500, y)
    hand.move(500, y - 25, pressed=True)
    hand.key(Qt.Key.Key_Escape)
    hand.move(500, y - 60, pressed=True)
    assert moved[-1] == D("66500.0")
    assert len(moved) == 2


def test_a_mere_click_on_a_line_moves_nothing(trading_chart, hand, sent) -> None:
    """Also beside its middle, and where nothing asks."""
    trading_chart.levels.set_unlocked(True)
    trading_chart.levels.is_instant = True
    y = y_of(trading_chart, 66_700) + 4
    hand.press(500, y)
    hand.release(500, y)
    assert sent == []
    assert trading_chart.levels.proposal is None


def test_the_scale_stands_still_while_a_line_is_in_the_hand(trading_chart, hand, sent) -> None:
    trading_chart.trades.set_pending(Pending(Side.BUY, D("66500"), D("66200")))
    trading_chart.pending_moved.connect(
        lambda _field, at: trading_chart.trades.set_pending(Pending(Side.BUY, D("66500"), at))
    )
    before = trading_chart.canvas.panes[0].scaled
    y = y_of(trading_chart, 66_200)
    hand.press(500, y)
    bottom = trading_chart.canvas.panes[0].height_px - 1
    hand.move(500, bottom, pressed=True)
    assert trading_chart.canvas.panes[0].scaled == before
    hand.release(500, bottom)
    assert trading_chart.canvas.panes[0].scaled != before  # now the line has its room


def test_lines_of_the_ticket_say_what_its_exits_would_bring(trading_chart) -> None:
    """ux 41, 42"""
    entry = D("66500")
    trading_chart.trades.set_pending(
        Pending(Side.SELL, entry, D("66600"), D("66200"), D("0.5"), entry)
    )
    texts = {level.name: level.text for level in trading_chart.trades.levels.levels}
    assert texts == {
        "Sell 0.5": "Not sent",
        "SL": "−50.00 · −0.15 % · −1.0 R",
        "TP": "+150.00 · +0.45 % · 3.0 R",
    }


def alert(number: int, price: str, *, symbol: str = "BTCUSDT", **rest) -> PriceAlert:
    repeats = rest.pop("repeats", False)
    wish = AlertWish(symbol=symbol, price=D(price), exchange="bybit", repeats=repeats)
    return PriceAlert(alert_id=number, wish=wish, waits_for_rise=True, created_ms=0, **rest)


def test_alerts_that_wait_are_lines_and_change_no_scale(trading_chart) -> None:
    """ux 66"""
    before = trading_chart.canvas.panes[0].scaled
    trading_chart.trades.set_alerts(
        [
            alert(1, "66800"),
            alert(2, "67100", repeats=True),
            alert(3, "66900", state=AlertState.FIRED),
            alert(4, "66950", symbol="ETHUSDT"),
            alert(5, "60000"),
        ]
    )
    shown = [(x.price, x.name, x.text) for x in trading_chart.trades.levels.levels]
    assert shown == [(66_800, "Alert", ""), (67_100, "Alert", "always"), (60_000, "Alert", "")]
    assert trading_chart.canvas.panes[0].scaled == before
    trading_chart.set_instrument(2, D("0.01"), "ETHUSDT", "15m", "ETH")
    assert trading_chart.trades.levels.levels == []


def test_an_alert_is_dragged_on_a_locked_chart_and_told_once(trading_chart, hand) -> None:
    """ux 66"""
    moved: list[tuple[int, Decimal]] = []
    trading_chart.alert_moved.connect(lambda *change: moved.append(change))
    trading_chart.trades.set_alerts([alert(7, "66800")])
    y = y_of(trading_chart, 66_800)
    hand.press(500, y)
    hand.move(500, y - 15, pressed=True)
    hand.move(500, y - 30, pressed=True)
    assert trading_chart.levels.proposal.text.endswith("%")
    assert moved == []
    hand.release(500, y - 30)
    ((number, price),) = moved
    assert number == 7
    assert price % D("0.1") == 0
    assert price > 66_800
    assert trading_chart.levels.proposal is None


def test_the_menu_on_an_alert_removes_it_and_elsewhere_offers_none(trading_chart) -> None:
    """ux 66"""
    removed: list[int] = []
    trading_chart.alert_unwanted.connect(removed.append)
    trading_chart.trades.set_alerts([alert(7, "66800")])
    y = y_of(trading_chart, 66_800)
    far = trading_chart.menu(QPointF(400, y + 60))
    assert not [a for a in far.actions() if a.text().startswith("Remove the alert")]
    far.close()
    near = trading_chart.menu(QPointF(400, y + 2))
    (remove,) = [a for a in near.actions() if a.text().startswith("Remove the alert")]
    assert remove.text() == "Remove the alert at 66,800.0"
    remove.trigger()
    assert removed == [7]
    near.close()
