"""Networks, the nodes that speak for them, and the tokens that live on them."""

from typing import ClassVar

from django.db import models

from core.fields import AddressField, BaseUnitsField, HashField
from core.money import Amount, Money, Unit, parse, parse_typed
from core.states import append_only

GWEI = 10**9


class Network(models.Model):
    """One EVM chain with its policy. All fees are in wei, all times in seconds."""

    class Finality(models.TextChoices):
        TAG = "tag", "the node's finalized tag"
        DEPTH = "depth", "a number of blocks"

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    chain_id = models.PositiveBigIntegerField(unique=True)
    is_local = models.BooleanField(default=False)
    enabled = models.BooleanField(default=True)
    explorer_url = models.URLField(blank=True)

    finality = models.CharField(max_length=8, choices=Finality.choices, default=Finality.TAG)
    finality_depth = models.PositiveIntegerField(default=0)
    block_time = models.PositiveIntegerField(default=12)
    start_block = models.PositiveBigIntegerField(default=0)
    quorum = models.PositiveSmallIntegerField(
        default=0, help_text="providers that must agree before money is credited; 0: by how many there are"
    )
    second_pass_after = models.PositiveIntegerField(
        default=6 * 3600, help_text="seconds after which a final range is read again by another provider"
    )

    legacy_fees = models.BooleanField(default=False)
    tip_floor = BaseUnitsField(default=GWEI // 10)
    tip_ceiling = BaseUnitsField(default=5 * GWEI)
    max_fee_cap = BaseUnitsField(default=300 * GWEI, help_text="wei per gas, never signed above")
    cost_cap = BaseUnitsField(default=10**17, help_text="wei per transaction, never signed above")
    market_multiple_cap = models.PositiveIntegerField(default=10)
    urgent_factor = models.PositiveSmallIntegerField(
        default=4, help_text="work with a deadline on the chain may cost so many times the caps"
    )
    gas_budget_day = BaseUnitsField(
        default=0,
        help_text="wei that all payouts of 24 hours may cost; 0 for no limit; deadline work is exempt",
    )
    batch_seconds = models.PositiveIntegerField(
        default=20, help_text="a payout waits at most so long to share a transaction with others"
    )
    extra_gas = models.PositiveIntegerField(
        default=0, help_text="gas that every transaction pays here for another chain, on top of its own"
    )
    transaction_gas = models.PositiveBigIntegerField(
        default=2**24, help_text="gas that one transaction may ask for here (EIP-7825); 0: as much as a block"
    )
    gas_bounds = models.JSONField(
        default=dict,
        blank=True,
        help_text="gas limits of single actions where they differ here, by the kind of order",
    )
    resend_after = models.PositiveIntegerField(default=15)
    bump_after_blocks = models.PositiveIntegerField(default=3)
    bump_after_seconds = models.PositiveIntegerField(default=45)
    max_attempts = models.PositiveIntegerField(default=12)

    escrow_contract = AddressField(blank=True, default="")
    escrow_code_hash = HashField(blank=True, default="")
    halted_reason = models.CharField(
        max_length=300, blank=True, default="", help_text="set: nothing is credited and nothing is paid out"
    )

    recovering_since = models.DateTimeField(
        null=True,
        blank=True,
        help_text="set: the database was restored; nothing is signed until it caught up",
    )
    recovery_stable_since = models.DateTimeField(null=True, blank=True)
    recovery_wait_seconds = models.PositiveIntegerField(default=7200)

    def __str__(self) -> str:
        return self.name


class DeployedContract(models.Model):
    """A contract of ours on one network beside `Escrow`: a worker starts only where its code stands."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="contracts")
    name = models.CharField(max_length=40)
    address = AddressField()
    code_hash = HashField()
    created = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "address"], name="contract_once_per_network")
        ]
        triggers: ClassVar = append_only()

    def __str__(self) -> str:
        return f"{self.name} {self.address}"


class Provider(models.Model):
    """A JSON-RPC node. The lowest `priority` is asked first; the next takes over when it fails.

    What it did lately stands here too, so that every worker on every machine asks the fit ones first.
    """

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="providers")
    url = models.CharField(max_length=500)
    ws_url = models.CharField(max_length=500, blank=True, default="", help_text="tells new heads, if it can")
    priority = models.PositiveSmallIntegerField(default=0)
    enabled = models.BooleanField(default=True)
    final_number = models.PositiveBigIntegerField(
        default=0, help_text="the highest final block it ever named: it must not move back"
    )
    head_number = models.PositiveBigIntegerField(default=0, help_text="its head when last inspected")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="when it last passed an inspection")
    lagging = models.BooleanField(default=False, help_text="its head trails what the others show")
    errors = models.PositiveIntegerField(default=0, help_text="error budget: failures fill, answers drain")
    last_error = models.CharField(max_length=120, blank=True, default="")
    rests_until = models.DateTimeField(null=True, blank=True, help_text="asked only if no other answers")
    limited_until = models.DateTimeField(
        null=True, blank=True, help_text="asked too often, it wants to be left alone until then"
    )
    demoted_at = models.DateTimeField(null=True, blank=True)
    demoted_reason = models.CharField(
        max_length=200, blank=True, default="", help_text="it withheld or forged: asked after all others"
    )

    class Meta:
        ordering: ClassVar = ["priority", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "url"], name="provider_once_per_network")
        ]

    def __str__(self) -> str:
        from chain.rpc.transport import redacted

        return redacted(self.url)


class Breaker(models.Model):
    """Rest of a network whose nodes all failed: it delays only itself, and is probed ever more rarely."""

    network = models.OneToOneField(
        Network, on_delete=models.PROTECT, primary_key=True, related_name="breaker"
    )
    failures = models.PositiveIntegerField(default=0, help_text="rounds in a row without any usable answer")
    open_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.failures} failures"


class Token(models.Model):
    """An ERC-20 token; amounts are whole base units of it."""

    network = models.ForeignKey(Network, on_delete=models.PROTECT, related_name="tokens")
    address = AddressField()
    symbol = models.CharField(max_length=20)
    decimals = models.PositiveSmallIntegerField()
    min_amount = BaseUnitsField(default=1)
    least_amount = BaseUnitsField(
        default=1,
        help_text="base units; while less than this has come nothing is spent, blocked or consumed: it waits",
    )
    least_surplus = BaseUnitsField(
        default=1, help_text="base units of surplus that are worth the gas of sending them back"
    )
    enabled = models.BooleanField(default=True)
    paused = models.BooleanField(default=False, help_text="the token's own Pause was seen")
    deprecated = models.BooleanField(default=False, help_text="the token's own Deprecate was seen")
    min_amount_money = Money("min_amount", of="")
    least_amount_money = Money("least_amount", of="")
    least_surplus_money = Money("least_surplus", of="")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["network", "address"], name="token_once_per_network"),
            models.CheckConstraint(
                condition=models.Q(least_amount__gte=1, least_surplus__gte=models.F("least_amount")),
                name="token_least_amounts_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} on {self.network_id}"

    @property
    def unit(self) -> Unit:
        """What amounts of this token are counted in."""
        slug = self.network.slug
        return Unit(f"{slug}:{self.address}", self.symbol, self.decimals, self.network.name, slug)

    def read(self, text: str) -> Amount:
        """What a partner sent, of this token. Raises `Invalid` as `core.money.parse` does."""
        return Amount(parse(text, self.decimals), self.unit)

    def read_typed(self, text: str) -> Amount:
        """What a person typed, of this token. Raises `Invalid` as `core.money.parse_typed` does."""
        return Amount(parse_typed(text, self.decimals), self.unit)
