"""Hundreds of whole lives while everything fails: `make soak`. At the end the chain is asked for the money."""
