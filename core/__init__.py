"""The domain: candles, capital, risk, orders, bots. Knows no Qt, no exchange library, no socket."""
