"""The books: posting, balances and the comparison with the chain."""
