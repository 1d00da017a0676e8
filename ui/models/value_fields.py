"""Fields of a form without a window: what they are called, and what is wrong with an entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from core.parameter_form import ParameterForm, ParameterKind
from ui.i18n import tr
from ui.models import words

_DIGITS = 15


class ValueField(NamedTuple):
    """`title`, `unit` and `hint` are English. `form` None: any text. `factor`: how many of the
    setting's units one unit of the form is (a minute is 60 s)."""

    name: str
    title: str
    unit: str
    hint: str
    form: ParameterForm | None
    factor: Decimal = Decimal(1)

    def show(self, value: object) -> str:
        """A setting's value as the form writes it."""
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return _plain(Decimal(str(value)) / self.factor)
        return str(value)

    def problem(self, text: str) -> str:
        """What is wrong, in the trader's language; "" if nothing is."""
        form = self.form
        if form is None or form.kind in (ParameterKind.TEXT, ParameterKind.FLAG):
            return ""
        try:
            value = read_number(text)
        except ValueError:
            return tr("Write a number")
        if form.kind is ParameterKind.WHOLE and value * self.factor % 1:
            return tr("Write a whole number")
        return self._out_of_limits(value * self.factor, form)

    def _out_of_limits(self, value: Decimal, form: ParameterForm) -> str:
        low, high, above = (
            None if limit is None else Decimal(str(limit))
            for limit in (form.low, form.high, form.above)
        )
        unit = tr(self.unit) if self.unit else ""
        if high is not None and value > high:
            return tr("At most {n} {unit}", n=_plain(high / self.factor), unit=unit).strip()
        if above is not None and value <= above:
            return tr("More than {n} {unit}", n=_plain(above / self.factor), unit=unit).strip()
        if low is not None and value < low:
            return tr("At least {n} {unit}", n=_plain(low / self.factor), unit=unit).strip()
        return ""


def field_of(form: ParameterForm) -> ValueField:
    """A strategy's or a sizing method's parameter under its name, as a form shows it."""
    title = words.PARAMETERS.get(form.name, form.name.replace("_", " ").capitalize())
    factor = Decimal("0.01") if form.unit == "%" else Decimal(1)
    return ValueField(form.name, title, form.unit, form.text, form, factor)


def default_texts(forms: Iterable[ParameterForm]) -> dict[str, str]:
    """Every parameter's default as a form shows it."""
    return {form.name: _shown_default(form) for form in forms}


def changed_values(forms: Iterable[ParameterForm], texts: Mapping[str, str]) -> dict[str, object]:
    """What differs from its default, as a command carries it. Raises ValueError where a number
    is none."""
    values = {}
    for form in forms:
        text = texts[form.name]
        if text != _shown_default(form):
            values[form.name] = _value(form, text)
    return values


def _shown_default(form: ParameterForm) -> str:
    if form.kind in (ParameterKind.TEXT, ParameterKind.FLAG) or not form.default:
        return form.default
    return field_of(form).show(Decimal(form.default))


def _value(form: ParameterForm, text: str) -> object:
    if form.kind is ParameterKind.TEXT:
        return text
    if form.kind is ParameterKind.FLAG:
        return text == "True"
    number = read_number(text) * field_of(form).factor
    if form.kind is ParameterKind.WHOLE:
        return int(number)
    return float(number) if form.kind is ParameterKind.NUMBER else f"{number.normalize():f}"


def read_number(text: str) -> Decimal:
    """A finite number as a person writes it: `1,000,000` too. Raises ValueError."""
    try:
        value = Decimal(text.replace(",", "").replace("−", "-").strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is no number") from None
    if not value.is_finite() or len(value.as_tuple().digits) > _DIGITS or abs(value) >= 10**15:
        raise ValueError(f"{text!r} is no number that can be used")
    return value


def _plain(value: Decimal) -> str:
    return f"{value.normalize():,f}"
