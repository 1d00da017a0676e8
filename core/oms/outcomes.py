"""What follows from each answer to a request: one table, so that nothing is retried by accident.

An order is never sent twice because of an error. The one exception is a limiter's no: the
exchange (or our own limiter) has said that it did not look at the request. Insufficient funds,
a filter, a wrong key are final: the same request would get the same answer.
"""

from __future__ import annotations

import enum

from core.exchange_port import (
    DuplicateOrder,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    Unavailable,
)


class WhatFollows(enum.StrEnum):
    END = "end"  # definite no: rejected, never sent again
    ADOPT = "adopt"  # it has landed before: fetch it
    ASK = "ask"  # it may have landed: probe by client id, never send again
    WAIT = "wait"  # definite no of a limiter: the same intent once more after its wait


_TABLE: dict[type[Exception], WhatFollows] = {
    RequestRejected: WhatFollows.END,
    DuplicateOrder: WhatFollows.ADOPT,
    OutcomeUnknown: WhatFollows.ASK,
    RateLimited: WhatFollows.WAIT,
    Unavailable: WhatFollows.ASK,  # a read's word, out of place on an order: nothing is known
}


def what_follows(fault: Exception) -> WhatFollows:
    """Whatever is not in the table broke on our side of the wire, perhaps after it had left."""
    return _TABLE.get(type(fault), WhatFollows.ASK)
