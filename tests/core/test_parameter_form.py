"""Forms are described from the types themselves: what a form allows, the type accepts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

from core.parameter_form import ParameterForm, ParameterKind, describe_parameters, told
from core.portfolio.sizing_methods import SIZING_METHODS, make_sizing
from core.scanning.settings import ScanSettings
from strategies import STRATEGIES


class Sample(msgspec.Struct):
    period: Annotated[Annotated[int, msgspec.Meta(ge=2, le=40)], told("How many.", "bars")] = 14
    factor: Annotated[float, msgspec.Meta(gt=0)] = 1.50
    share: Annotated[Decimal, told("Of it.", "%")] = Decimal("0.10")
    is_on: bool = True
    word: str = "a"
    blocklist: tuple[str, ...] = ()


def test_every_field_that_a_form_can_have_is_described() -> None:
    assert describe_parameters(Sample) == [
        ParameterForm("period", ParameterKind.WHOLE, "14", 2, 40, None, "bars", "How many."),
        ParameterForm("factor", ParameterKind.NUMBER, "1.5", above=0),
        ParameterForm("share", ParameterKind.EXACT, "0.10", unit="%", text="Of it."),
        ParameterForm("is_on", ParameterKind.FLAG, "True"),
        ParameterForm("word", ParameterKind.TEXT, "a"),
    ]


KINDS = [*(kind.parameters_type for kind in STRATEGIES.values()), ScanSettings]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_limit_is_the_types_own(kind: type[msgspec.Struct]) -> None:
    for form in describe_parameters(kind):
        for limit in (form.low, form.high):
            if limit is not None:
                msgspec.convert({form.name: limit}, kind, strict=False)
        beyond = [x for x in (form.high and form.high + 1, form.above) if x is not None]
        for value in beyond:
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert({form.name: value}, kind, strict=False)


@pytest.mark.parametrize("name", SIZING_METHODS)
def test_a_sizing_method_takes_what_its_form_says_as_text(name: str) -> None:
    forms = describe_parameters(SIZING_METHODS[name])
    table = {form.name: form.default for form in forms if form.kind is ParameterKind.EXACT}
    assert make_sizing({"method": name, **table}) == SIZING_METHODS[name]()


def test_every_parameter_of_a_strategy_is_explained() -> None:
    for kind in STRATEGIES.values():
        assert kind.summary.endswith(".")
        assert all(form.text.endswith(".") for form in describe_parameters(kind.parameters_type))
