"""Start-up and wiring: the only room that names concrete classes of the others."""
