"""Hundreds of whole lives while everything fails: `make soak`. The chain then says where the money is."""
