"""The never-retry table: only a limiter's no is ever sent again."""

import pytest

from core.exchange_port import (
    DuplicateOrder,
    ExchangeError,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from core.models.orders import OrderStatus
from core.oms.outcomes import WhatFollows, what_follows


@pytest.mark.parametrize(
    ("fault", "follows"),
    [
        (RequestRejected("insufficient funds", "110007"), WhatFollows.END),
        (DuplicateOrder("duplicate", "110072"), WhatFollows.ADOPT),
        (OutcomeUnknown("timed out"), WhatFollows.ASK),
        (Unavailable("not JSON"), WhatFollows.ASK),
        (RateLimited("slow down"), WhatFollows.WAIT),
        (ExchangeError("something new"), WhatFollows.ASK),
        (KeyError("result"), WhatFollows.ASK),
        (TimeoutError(), WhatFollows.ASK),
    ],
)
def test_what_follows_from_an_answer(fault, follows):
    assert what_follows(fault) is follows


@pytest.mark.parametrize(
    "fault",
    [
        RequestRejected("the available balance is not enough", "110007"),
        DuplicateOrder("duplicate", "110072"),
        OutcomeUnknown("timed out"),
        Unavailable("not JSON"),
        ExchangeError("something new"),
    ],
)
async def test_none_of_these_is_ever_sent_twice(world, fault):
    world.exchange.script.append(fault)
    request = world.request()
    world.oms.submit(request)
    await world.idle(100)
    assert world.exchange.books.requests == [request.client_order_id]


async def test_insufficient_funds_is_final(world):
    world.exchange.script.append(RequestRejected("the available balance is not enough", "110007"))
    request = world.request()
    world.oms.submit(request)
    await world.idle()
    order = world.oms.order(request.client_order_id)
    assert (order.status, order.reject_code) == (OrderStatus.REJECTED, "110007")
