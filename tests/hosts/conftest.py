"""The desk of payments, whose node the hosts reach as well."""

from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
from tests.payments.fixtures import *  # noqa: F403
