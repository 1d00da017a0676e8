"""`python run.py data COMMAND`: candles into the store, out of it, and a look at it.

Works beside a running engine: the store is made to be shared.
"""
