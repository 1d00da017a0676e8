"""The demo exchange, in process: a market, a matching engine and accounts (`venue.Venue`).

It speaks our own models and knows no wire: `wire` puts Bybit's protocol on it, `exchanges.paper`
plugs it behind the exchange port with live prices.
"""
