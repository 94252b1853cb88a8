"""The demo: its people, the deals it plays with real transactions, and what it tells at the end."""
