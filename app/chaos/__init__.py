"""The engine under every misfortune at once, in virtual time: `python run.py chaos`.

A seed makes a schedule: a venue with its own rules, a market, faults, and what the trader does.
The real engine runs through it against the simulated venue; then the faults end and it has two
virtual minutes to bring everything right. Whether it did is judged by the venue's books and by
what the engine shows to everybody, never by its inside. Planted bugs prove that the judge sees.
"""
