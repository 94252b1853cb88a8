"""Databases of benchmarks beside the scratch one: migrated once, copied for whoever needs one."""

import os
from urllib.parse import urlsplit

import psycopg2

TEMPLATE = "bench_template"


def create(name: str, template: str = "template1") -> str:
    """A fresh database, a copy of `template`, to which nobody may be connected; returns its URL."""
    url = urlsplit(os.environ["DATABASE_URL"])
    connection = psycopg2.connect(url._replace(path="/postgres").geturl())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    connection.close()
    return url._replace(path=f"/{name}").geturl()


def current() -> str:
    """Name of the database of this process."""
    return urlsplit(os.environ["DATABASE_URL"]).path.removeprefix("/")
