"""Durable writes: the only room of the core that touches files (rule 7)."""
