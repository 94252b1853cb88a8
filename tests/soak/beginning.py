"""From a stage on which nothing happens to a soak that can be played."""

from collections.abc import Callable

from chain.models import Token
from tests.soak import people
from tests.soak.clicks import Partner, Tally
from tests.soak.driver import Soak
from tests.soak.faults import Faults
from tests.soak.lies import Lies
from tests.soak.lives import World
from tests.soak.miner import BLOCK_SECONDS
from tests.soak.plan import Plan
from tests.soak.stage import Stage
from tests.soak.wallets import Wallets


def begun(stage: Stage, plan: Plan, say: Callable[[str], None]) -> Soak:
    """Tables, contracts, people, stocked wallets, running processes."""
    stage.chain.accounts = list(stage.chain.rpc("eth_accounts"))
    wallets = Wallets(plan, stage.chain)
    network, cast = people.settle_in(stage.chain, wallets.fee)
    say("tables and contracts are there")
    wallets.stock()
    stage.open()
    stage.miner.seconds = BLOCK_SECONDS
    say("everybody is there; the lives begin")
    tally = Tally()
    partner = Partner(stage.web.url, cast.secret, tally)
    token = Token.objects.get(network=network)
    world = World(network, token, cast, partner, wallets, tally)
    return Soak(plan, stage, world, Faults(plan, stage, network.pk, Lies(stage.proxy)), say)
