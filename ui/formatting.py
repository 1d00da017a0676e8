"""How numbers are written: the same everywhere, exact where they are money.

True minus, thousands comma, "—" for what is unknown (never 0), times in UTC or the account's
zone. Every function
takes `Decimal`, `int`, `float` or None; NaN and infinities read as unknown.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from ui import preferences
from ui.i18n import language, tr

Number = Decimal | int | float

UNKNOWN = "—"
MINUS = "−"
HIDDEN = "•••••"
UP_ARROW, DOWN_ARROW = "▲", "▼"

_SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_TINY_BELOW = Decimal("0.0001")  # from here on zeros are counted, not written
_FIGURE = re.compile(r"(?<![\w.:,])[-+−]?\d[\d,]*(?:\.\d+)?(?![\w:.,]*\d|[\w:]| ?%)")
_WHOLE_CURRENCIES = frozenset({"KRW", "JPY"})
_COMPACT = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"))
_SECOND_MS, _MINUTE_MS, _HOUR_MS, _DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000


def _is_known(value: Number | None) -> bool:
    if value is None:
        return False
    if isinstance(value, Decimal):
        return value.is_finite()
    return math.isfinite(value)


def _digits(value: Number, decimals: int) -> str:
    """Grouped, rounded, with a true minus; what rounds to zero carries no sign."""
    text = f"{abs(value):,.{max(0, decimals)}f}"
    is_zero = not any(c in "123456789" for c in text)
    return f"{MINUS}{text}" if value < 0 and not is_zero else text


def number(value: Number | None, decimals: int = 2) -> str:
    """`25,162.26`."""
    if value is None or not _is_known(value):
        return UNKNOWN
    return _digits(value, decimals)


def parse(text: str) -> Decimal | None:
    """A figure as a trader types it, thousands commas and spaces allowed; None if it is none."""
    plain = text.replace(",", "").replace(" ", "").replace(MINUS, "-")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def price(value: Number | None, decimals: int) -> str:
    """A price to its tick's decimals; below 0.0001 the zeros are counted: `0.0₅8124`."""
    if value is None or not _is_known(value):
        return UNKNOWN
    exact = Decimal(str(value)) if isinstance(value, float) else Decimal(value)
    if decimals > 4 and 0 < abs(exact) < _TINY_BELOW:
        return _tiny(exact, decimals)
    return _digits(value, decimals)


def _tiny(value: Decimal, decimals: int) -> str:
    fraction = f"{abs(value):.{decimals}f}".partition(".")[2]
    significant = fraction.lstrip("0")
    if not significant:
        return _digits(value, decimals)
    zeros = str(len(fraction) - len(significant)).translate(_SUBSCRIPT)
    sign = MINUS if value < 0 else ""
    return f"{sign}0.0{zeros}{significant}"


def signed(value: Number | None, decimals: int = 2) -> str:
    """A change: `+80.76`, `−11.92`, `0.00`."""
    if value is None or not _is_known(value):
        return UNKNOWN
    text = _digits(value, decimals)
    has_value = any(c in "123456789" for c in text)
    return f"+{text}" if value > 0 and has_value else text


def percent(ratio: Number | None, decimals: int = 2, *, sign: bool = True) -> str:
    """A ratio (0.0183) as `+1.83 %`; `sign=False` for shares: `17.6 %`."""
    if ratio is None or not _is_known(ratio):
        return UNKNOWN
    scaled = ratio * 100
    return f"{signed(scaled, decimals) if sign else number(scaled, decimals)} %"


def arrow(value: Number | None) -> str:
    """▲, ▼ or nothing; painted at half the size of the number after it."""
    if value is None or not _is_known(value) or value == 0:
        return ""
    return UP_ARROW if value > 0 else DOWN_ARROW


def money_decimals(currency: str) -> int:
    return 0 if currency.upper() in _WHOLE_CURRENCIES else 2


def money(value: Number | None, currency: str = "USDT", *, sign: bool = False) -> str:
    """An amount without its currency: two decimals, none in KRW."""
    return axis_money(value, money_decimals(currency), sign=sign)


def axis_money(value: Number | None, decimals: int, *, sign: bool = False) -> str:
    """An amount to any number of decimals; as `money`."""
    if preferences.current().hides_balances and value is not None:
        return HIDDEN
    return signed(value, decimals) if sign else number(value, decimals)


def size(value: Number | None, decimals: int | None = None) -> str:
    """A quantity that somebody owns or wants, which may be hidden; as `quantity`."""
    hidden = preferences.current().hides_balances and value is not None
    return HIDDEN if hidden else quantity(value, decimals)


def veiled(text: str) -> str:
    """A sentence of the engine's; its amounts, sizes and prices as dots while they are hidden."""
    return _FIGURE.sub(HIDDEN, text) if preferences.current().hides_balances else text


def long_sum(value: Number | None, currency: str) -> str:
    """A sum to be grasped, not to be reckoned with: as `money`, but won in Korean by 만 억 조."""
    if preferences.current().hides_balances:
        return money(value, currency)
    in_korean = currency.upper() == "KRW" and language.name == "ko"
    return korean_sum(value) if in_korean else money(value, currency)


def korean_sum(value: Number | None) -> str:
    """Long KRW sums as Koreans write them: `1조 2,345억 6,789만`; two largest units."""
    if value is None or not _is_known(value):
        return UNKNOWN
    whole = int(Decimal(str(value)).to_integral_value(rounding=ROUND_DOWN))
    if abs(whole) < 10_000:
        return _digits(whole, 0)
    rest = abs(whole)
    parts = []
    for unit, name in ((10**12, "조"), (10**8, "억"), (10**4, "만")):
        amount, rest = divmod(rest, unit)
        if amount:
            parts.append(f"{amount:,}{name}")
    return (MINUS if whole < 0 else "") + " ".join(parts[:2])


def compact(value: Number | None, decimals: int = 2) -> str:
    """Volumes: `4.18 B`, `226.40 M`, `12.35 K`; below a thousand as it is."""
    if value is None or not _is_known(value):
        return UNKNOWN
    exact = Decimal(str(value))
    for unit, name in (*_COMPACT, (Decimal(1000), "K")):
        if abs(exact) >= unit:
            return f"{_digits(exact / unit, decimals)} {name}"
    return _digits(exact, 0 if exact == exact.to_integral_value() else decimals)


def volume(value: Number | None) -> str:
    """A bar's volume in the base currency: whole numbers from 100 on, else three digits."""
    if value is None or not _is_known(value):
        return UNKNOWN
    size = Decimal(str(abs(value)))
    if size >= 100_000:
        return compact(value)
    if size >= 100 or size == 0:
        return _digits(value, 0)
    return _digits(value, 1 if size >= 10 else 2 if size >= 1 else 4)


def quantity(value: Number | None, decimals: int | None = None) -> str:
    """A size to its step's decimals; as exact as it is when they are not given."""
    if value is None or not _is_known(value):
        return UNKNOWN
    if decimals is None:
        exponent = Decimal(str(value)).normalize().as_tuple().exponent
        decimals = max(0, -exponent) if isinstance(exponent, int) else 0
    return _digits(value, decimals)


def age(age_ms: Number | None) -> str:
    """How old: `0.1 s` under ten seconds, then `38 s`, `4 min`, `2 h`, `3 d`."""
    if age_ms is None or not _is_known(age_ms):
        return UNKNOWN
    elapsed_ms = max(0, int(age_ms))
    if elapsed_ms < 10 * _SECOND_MS:
        return tr("{n} s", n=f"{elapsed_ms / _SECOND_MS:.1f}")
    if elapsed_ms >= _DAY_MS:
        return tr("{n} d", n=elapsed_ms // _DAY_MS)
    if elapsed_ms >= _HOUR_MS:
        return tr("{n} h", n=elapsed_ms // _HOUR_MS)
    if elapsed_ms >= _MINUTE_MS:
        return tr("{n} min", n=elapsed_ms // _MINUTE_MS)
    return tr("{n} s", n=elapsed_ms // _SECOND_MS)


def duration(duration_ms: Number | None) -> str:
    """How long, two units: `10 h 02 min`, `6 d 04 h`, `3 min 20 s`, `45 s`."""
    if duration_ms is None or not _is_known(duration_ms):
        return UNKNOWN
    seconds = max(0, int(duration_ms)) // _SECOND_MS
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days:
        return tr("{days} d {hours} h", days=days, hours=f"{hours % 24:02d}")
    if hours:
        return tr("{hours} h {minutes} min", hours=hours, minutes=f"{minutes % 60:02d}")
    if minutes:
        return tr("{minutes} min {seconds} s", minutes=minutes, seconds=f"{seconds % 60:02d}")
    return tr("{n} s", n=seconds)


def countdown(left_ms: Number | None) -> str:
    """Time to a bar's close: `12:53`, `3:07:41`, `2 d 04 h`."""
    if left_ms is None or not _is_known(left_ms):
        return UNKNOWN
    seconds = max(0, math.ceil(left_ms / _SECOND_MS))
    if seconds >= 86400:
        return duration(seconds * _SECOND_MS)
    minutes, second = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes:02d}:{second:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{second:02d}"


def utc(time_ms: int) -> datetime:
    """`time_ms` (ms UTC) as an aware datetime; out of range (a damaged value) is the epoch."""
    try:
        return datetime.fromtimestamp(time_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def moment(time_ms: int) -> datetime:
    """`time_ms` (ms UTC) on the clock that the trader reads times by."""
    return utc(time_ms).astimezone(preferences.zone())


def zone_name(time_ms: int) -> str:
    """`UTC`, `KST`: whose clock `clock` and its like are read by."""
    return moment(time_ms).tzname() or "UTC"


def clock(time_ms: int | None) -> str:
    """`14:32:07`."""
    return UNKNOWN if time_ms is None else f"{moment(time_ms):%H:%M:%S}"


def clock_ms(time_ms: int | None) -> str:
    """`14:30:00.412`."""
    return UNKNOWN if time_ms is None else f"{moment(time_ms):%H:%M:%S}.{time_ms % 1000:03d}"


def date_time(time_ms: int | None) -> str:
    """`2026-11-20 14:32`."""
    return UNKNOWN if time_ms is None else f"{moment(time_ms):%Y-%m-%d %H:%M}"


def stamp(time_ms: int) -> str:
    """`2026-11-20 14:32 UTC`: the moment, and whose clock that is."""
    return f"{date_time(time_ms)} {zone_name(time_ms)}"


def read_date_time_ms(text: str) -> int | None:
    """ms UTC of `2026-11-20 14:32`, None where that is not what it says."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        return None


def local_time(time_ms: int | None) -> str:
    """For tooltips: the same moment on this computer's clock."""
    return UNKNOWN if time_ms is None else f"{utc(time_ms).astimezone():%Y-%m-%d %H:%M:%S %Z}"
