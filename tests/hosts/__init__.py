"""Two hosts that share nothing but one PostgreSQL, one Redis and a node; `make hosts`."""
