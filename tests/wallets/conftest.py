from tests.chain.fixtures import *  # noqa: F403  (fixtures are shared by import)
