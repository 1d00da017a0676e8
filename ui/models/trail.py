"""An order's causal trail as a trader reads it: each line of the journal as a step with a title,
figures and the time it took.

The journal's lines are sentences with figures in fixed places; what does not fit stands as it was
written, so nothing is ever left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

import msgspec

from core.models.orders import OrderStatus
from core.snapshots import TrailLine
from ui import formatting
from ui.i18n import sentence, tr
from ui.models import words

Facts = tuple[tuple[str, str], ...]

_LIMIT = re.compile(r"(\w+) (-?[\d.e+-]+) of (-?[\d.e+-]+) (%|orders)")
_CANDLE = re.compile(r"opened (\d{4}-\d\d-\d\d \d\d:\d\d) UTC, closed at (\S+)")
_CAPITAL = re.compile(r"needs (\S+), (\S+) available")
_SIZE = re.compile(
    r"(?:(?P<method>\w+) of (?P<equity>\S+) (?P<quote>\w+) allows (?P<target>\S+); "
    r"(?P<division>.+?), in whole steps \S+; )?"
    r"(?P<quantity>\S+) x (?P<price>\S+) = (?P<notional>\S+)"
)
_FILL = re.compile(r"(buy|sell) (\S+) at (\S+), fee (\S+) \((.+)\)")
_REQUEST = re.compile(r"(?P<order>.+?)(?P<stops>(?:, (?:stop|take profit) \S+)*) as (?P<id>\S+)$")
_STOP = re.compile(r", stop ([\d.]+)")
_PROGRESS = re.compile(r"(\w+) (\S+) of (\S+)(?: at (\S+))?")
_LONG_FIGURE = re.compile(r"(?<![\d.,])\d{4,}(?:\.\d+)?")
_SHORT_DECIMALS = 2
_SHORT_NAMES = frozenset({"atr", "ema", "macd", "rsi", "sma", "vwap"})


class RiskCheck(NamedTuple):
    """One rule as it stood when the order was judged."""

    name: str
    used: float
    limit: float
    unit: str


class TrailStep(NamedTuple):
    """`took_ms` is the time until the next step, real milliseconds; None for the last. `whole` is
    the journal's own text. `tone` names the colour of the title."""

    time_ms: int
    took_ms: float | None
    icon: str
    title: str
    words: str
    facts: Facts
    tone: str
    whole: str


class Trail(NamedTuple):
    """`total_ms`: from the first line to the last fill (or the last line), real milliseconds; the
    time bars span it. `decided_ms` is the open time of the candle that the
    strategy decided on, None for an order by hand; `stop_price` what the order was sent with."""

    client_order_id: str
    steps: tuple[TrailStep, ...]
    checks: tuple[RiskCheck, ...]
    is_passed: bool
    checked_ms: int | None
    decided_ms: int | None
    total_ms: float
    stop_price: Decimal | None
    evidence: Facts


def _number(text: str) -> str:
    """`2511.8240` as `2,511.8240`; what is no figure stays."""
    value = formatting.parse(text)
    return text if value is None else f"{value:,f}".replace("-", formatting.MINUS)


def _short(text: str) -> str:
    """A sum or a reading, to two decimals; below 1, where those would say little, as it is. The
    step's tooltip keeps every digit."""
    value = formatting.parse(text)
    is_long = len(text.partition(".")[2]) > _SHORT_DECIMALS
    if value is None or abs(value) < 1 or not is_long:
        return _number(text)
    return formatting.number(value, _SHORT_DECIMALS)


def _grouped(text: str) -> str:
    """A sentence of figures with thousands commas in them."""
    return _LONG_FIGURE.sub(lambda found: f"{Decimal(found[0]):,f}", text)


def _reading_name(name: str) -> str:
    """`macd_histogram`, a strategy's own word, as `MACD histogram`."""
    return " ".join(w.upper() if w in _SHORT_NAMES else w for w in name.split("_"))


def _candle(text: str) -> tuple[str, str, Facts]:
    found = _CANDLE.fullmatch(text)
    if found is None:
        return tr("Candle closed"), sentence(text), ()
    facts = ((tr("opened"), f"{found[1]} UTC"), (tr("close"), _number(found[2])))
    return tr("Candle closed"), tr("only closed candles decide"), facts


def _indicators(text: str) -> tuple[str, str, Facts]:
    pairs = (part.rpartition(" ") for part in text.split(", ") if part)
    facts = tuple((_reading_name(name), _short(value)) for name, _, value in pairs)
    return tr("Indicators"), tr("what the strategy saw"), facts


def _signal(text: str) -> tuple[str, str, Facts]:
    direction, _, reason = text.partition(": ")
    known = {"long": tr("Long"), "short": tr("Short"), "flat": tr("Flat")}
    title = tr("Signal: {direction}", direction=known.get(direction, direction))
    return title, sentence(reason), ()


def _size(text: str) -> tuple[str, str, Facts]:
    found = _SIZE.fullmatch(text)
    if found is None:
        return tr("Size"), sentence(text), ()
    facts: list[tuple[str, str]] = []
    if found["method"]:
        method = tr(words.SIZING.get(found["method"], found["method"]))
        facts += [
            (tr("equity"), f"{found['equity']} {found['quote']}"),
            (method, found["target"]),
        ]
    amount = f"{_number(found['quantity'])} × {_number(found['price'])}"
    facts.append((amount, _short(found["notional"])))
    title = tr("Size: {quantity}", quantity=_number(found["quantity"]))
    division = _grouped(found["division"] or "").replace("/", "÷")
    rounded = tr("down to whole steps of the exchange")
    return title, f"{division}, {rounded}" if division else "", tuple(facts)


def _intent(text: str) -> tuple[str, str, Facts]:
    return tr("Intent on disk"), sentence(text) or tr("written before anything is sent"), ()


def _judged(passed: str, denied: str) -> Callable[[str], tuple[str, str, Facts]]:
    def read(text: str) -> tuple[str, str, Facts]:
        is_passed = text.startswith("passed: ")
        numbers = text.removeprefix("passed: ").removeprefix("denied: ")
        reason = "" if is_passed else numbers.rpartition(" (")[0]
        facts: Facts = ()
        found = _CAPITAL.search(numbers)
        if found is not None:
            facts = (
                (tr("needs"), _short(found[1])),
                (tr("available"), _short(found[2].rstrip(")"))),
            )
        limits = checks_of(text)
        facts += tuple((_limit_name(c.name), limit_words(c)) for c in limits)
        if limits and is_passed:
            title = tr("Risk checks: {n} of {n} passed", n=len(limits))
            return title, tr("every limit has room"), facts
        return tr(passed if is_passed else denied), sentence(reason), facts

    return read


def _request(text: str) -> tuple[str, str, Facts]:
    found = _REQUEST.fullmatch(text)
    if found is None:
        return tr("Order sent"), sentence(text), ()
    facts = []
    for part in filter(None, found["stops"].split(", ")):
        name, _, price = part.rpartition(" ")
        facts.append((tr("SL") if name == "stop" else tr("TP"), _number(price)))
    facts.append((tr("client id"), found["id"]))
    return tr("Order sent"), found["order"], tuple(facts)


def _answer(text: str) -> tuple[str, str, Facts]:
    if text.startswith("accepted "):
        return tr("Accepted"), tr("by the exchange"), ((tr("order"), text[len("accepted ") :]),)
    return tr("Answer"), sentence(text), ()


def _exchange(text: str) -> tuple[str, str, Facts]:
    found = _PROGRESS.fullmatch(text)
    if found is None:
        return tr("At the exchange"), sentence(text), ()
    state = words.ORDER_STATES.get(OrderStatus(found[1])) if found[1] in _STATES else None
    of = tr("{n} of {total}", n=_number(found[2]), total=_number(found[3]))
    facts: Facts = ((tr("filled"), of),)
    if found[4]:
        facts += ((tr("average"), _number(found[4])),)
    return tr("At the exchange"), tr(state) if state else found[1], facts


def _fill(text: str) -> tuple[str, str, Facts]:
    found = _FILL.fullmatch(text)
    if found is None:
        return tr("Filled"), sentence(text), ()
    what = tr("{size} at {price}", size=_number(found[2]), price=_number(found[3]))
    return tr("Filled"), what, ((tr("fee"), _short(found[4])), (tr("trade"), found[5]))


def _plain(title: str) -> Callable[[str], tuple[str, str, Facts]]:
    return lambda text: (tr(title), sentence(text), ())


_STATES = {status.value for status in OrderStatus}
# step -> icon, reader, tone
_STEPS: dict[str, tuple[str, Callable[[str], tuple[str, str, Facts]], str]] = {
    "candle": ("chart-candlestick", _candle, "t1"),
    "indicators": ("activity", _indicators, "t1"),
    "signal": ("zap", _signal, "t1"),
    "size": ("scale", _size, "t1"),
    "intent": ("database", _intent, "t1"),
    "capital": ("wallet", _judged("Capital reserved", "No capital"), "t1"),
    "risk": ("shield-check", _judged("Risk checks passed", "Denied by a risk rule"), "t1"),
    "fault": ("triangle-alert", _plain("A check failed"), "danger"),
    "request": ("send", _request, "t1"),
    "sent": ("send", _plain("Sent"), "t1"),
    "answer": ("check", _answer, "t1"),
    "exchange": ("list", _exchange, "t1"),
    "fill": ("circle-check", _fill, "t1"),
    "cancel": ("x", _plain("Cancel"), "t1"),
    "amend": ("pencil", _plain("Change"), "t1"),
    "denied": ("circle-x", _plain("Denied, nothing was sent"), "warn"),
    "rejected": ("circle-x", _plain("Rejected by the exchange"), "danger"),
    "unknown": ("hourglass", _plain("No answer yet, being asked for"), "warn"),
    "cancelled": ("x", _plain("Cancelled"), "t1"),
}


def checks_of(text: str) -> tuple[RiskCheck, ...]:
    """The rules and figures in a risk line."""
    return tuple(
        RiskCheck(name, float(used), float(limit), unit)
        for name, used, limit, unit in _LIMIT.findall(text)
    )


def limit_words(check: RiskCheck) -> str:
    """`17.6 / 20 %`."""
    unit = " %" if check.unit == "%" else ""
    decimals = 0 if check.unit != "%" else 1 if check.used >= 10 else 2
    most = formatting.number(check.limit, 0 if check.limit == int(check.limit) else 2)
    return f"{formatting.number(check.used, decimals)} / {most}{unit}"


def _limit_name(name: str) -> str:
    return tr(words.RULES.get(name, name))


def read_trail(client_order_id: str, lines: Sequence[TrailLine], clock_rate: float = 1.0) -> Trail:
    """`clock_rate`: how much faster the market's clock runs than ours (a demo's), so that what
    our own machine needed is told in its own time."""
    merged = [
        _without_repetition(line, lines) for line in lines if line.step != "sent" or line.text
    ]
    rate = clock_rate if clock_rate > 0 else 1.0
    steps: list[TrailStep] = []
    for i, line in enumerate(merged):
        later = merged[i + 1].time_ms if i + 1 < len(merged) else None
        took_ms = None if later is None else max(0.0, (later - line.time_ms) / rate)
        steps.append(_step(line, took_ms))
    risk = next((line for line in merged if line.step == "risk"), None)
    first_ms = merged[0].time_ms if merged else 0
    last_ms = max((x.time_ms for x in merged if x.step == "fill"), default=None)
    if last_ms is None:
        last_ms = merged[-1].time_ms if merged else 0
    return Trail(
        client_order_id=client_order_id,
        steps=tuple(steps),
        checks=checks_of(risk.text) if risk is not None else (),
        is_passed=risk is not None and risk.text.startswith("passed"),
        checked_ms=risk.time_ms if risk is not None else None,
        decided_ms=_decided_ms(merged),
        total_ms=max(0.0, (last_ms - first_ms) / rate),
        stop_price=_stop_price(merged),
        evidence=_evidence(client_order_id, merged),
    )


def _without_repetition(line: TrailLine, lines: Sequence[TrailLine]) -> TrailLine:
    """The intent's reason is the signal's, where a signal led to it."""
    told = any(other.step == "signal" and other.text.endswith(line.text) for other in lines)
    return msgspec.structs.replace(line, text="") if line.step == "intent" and told else line


def _step(line: TrailLine, took_ms: float | None) -> TrailStep:
    known = _STEPS.get(line.step)
    facts: Facts = ()
    if known is None:
        title, text = line.step.replace("_", " ").capitalize(), sentence(line.text)
        icon, tone = "info", "t1"
    else:
        icon, read, tone = known
        title, text, facts = read(line.text)
        if line.text.startswith("denied: "):
            tone, icon = "warn", "shield-x" if line.step == "risk" else icon
    return TrailStep(line.time_ms, took_ms, icon, title, text, facts, tone, line.text)


def _decided_ms(lines: Sequence[TrailLine]) -> int | None:
    candle = next((line for line in lines if line.step == "candle"), None)
    found = _CANDLE.fullmatch(candle.text) if candle is not None else None
    return None if found is None else formatting.read_date_time_ms(found[1])


def _stop_price(lines: Sequence[TrailLine]) -> Decimal | None:
    """The stop that the order was sent with."""
    request = next((line.text for line in lines if line.step == "request"), "")
    found = _STOP.search(request)
    return None if found is None else formatting.parse(found[1])


def _evidence(client_order_id: str, lines: Sequence[TrailLine]) -> Facts:
    """What proves the trail: the ids, and when the intent was on disk."""
    facts = [(tr("Client order id"), client_order_id)]
    accepted = next((x.text for x in lines if x.text.startswith("accepted ")), "")
    if accepted:
        facts.append((tr("Exchange order id"), accepted.removeprefix("accepted ")))
    intent = next((x for x in lines if x.step == "intent"), None)
    if intent is not None:
        facts.append((tr("Intent on disk"), formatting.clock_ms(intent.time_ms)))
    trades = [_FILL.fullmatch(x.text) for x in lines if x.step == "fill"]
    facts += [(tr("Trade"), found[5]) for found in trades if found is not None]
    return tuple(facts)


def as_text(heading: str, trail: Trail) -> str:
    """The whole trail for the clipboard or a file: times, what happened, each figure, durations."""
    rows = [heading, trail.client_order_id, ""]
    for step in trail.steps:
        took = "" if step.took_ms is None else f"  (+{lasting(step.took_ms)})"
        rows.append(f"{formatting.clock_ms(step.time_ms)}  {step.title}{took}")
        if step.words:
            rows.append(f"              {step.words}")
        rows += [f"              {name}: {value}" for name, value in step.facts]
    return "\n".join(rows) + "\n"


def lasting(duration_ms: float) -> str:
    """`<1 ms`, `84 ms`, `1.2 s`, then as other durations."""
    if duration_ms < 1:  # the journal's clock counts whole milliseconds
        return tr("<{ms} ms", ms=1)
    if duration_ms < 1_000:
        return tr("{ms} ms", ms=f"{duration_ms:.0f}")
    if duration_ms < 60_000:
        return tr("{n} s", n=f"{duration_ms / 1000:.1f}")
    return formatting.duration(duration_ms)
