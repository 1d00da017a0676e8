"""Messages that go out: where to (a secret), by which library, and when again after a failure."""
