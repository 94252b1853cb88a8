"""Disputes for partners."""
