"""The demo exchange's wire: Bybit v5 over REST and WebSockets, in front of the simulated venue."""
