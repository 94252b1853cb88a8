"""The embedded services (PostgreSQL, Redis, an EVM node) and the supervisor that runs them.

Works before Django is configured, therefore imports nothing of it.
"""
