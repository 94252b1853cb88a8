"""The four attacks. Each returns what the bystander felt and what the attacker got."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from contracts.artifacts import TEST_USDT_ADDRESS
from contracts.calls import erc20_transfer, test_token_mint
from tests.attack.scene import PASSWORD, THEIRS, Scene, page_of, verdict
from tests.attack.visitor import Visitor
from tests.bench import crowd
from tests.bench.ground import expect
from tests.bench.site import until
from tests.chain.fixtures import USDT, Anvil

_AT_ONCE = 320
_DUST = 1_000
_BODY_MB = 300
_RACES, _RIVALS = 5, 4


def passwords(scene: Scene) -> list[dict[str, Any]]:
    """One signed-in person guesses the password before a release, 320 guesses at once; then a stranger
    guesses at the sign-in."""
    escrow = _funded(scene)
    address = page_of(escrow, "release/")
    shown = scene.attacker.form(address) | {"how_much": "all", "password": "a wrong guess"}
    stranger = Visitor(scene.site.url, THEIRS)
    sign_in = stranger.form("/accounts/login/") | {
        "login": scene.other.cast.seller.email,
        "password": "a wrong guess",
    }
    return [
        _posting(scene, "wrong passwords before a release", address, shown, scene.attacker),
        _posting(scene, "wrong passwords at the sign-in", "/accounts/login/", sign_in, stranger),
    ]


def _posting(scene: Scene, name: str, address: str, form: dict[str, str], visitor: Visitor) -> dict[str, Any]:
    before = scene.calm()
    plan = {"form": form, "headers": visitor.headers(form=True), "at_once": _AT_ONCE, "most": 20 * _AT_ONCE}
    with scene.attack("posts", scene.site.url + address, **plan) as attack:
        during = scene.bystander.look(scene.page)
    return {"case": f"{_AT_ONCE} {name} at once", "answers": attack.tally, **verdict(before, during)}


def dust(scene: Scene) -> list[dict[str, Any]]:
    """A thousand transfers of nothing and a thousand of one unit to one escrow; another one is paid after
    them and must not wait for them."""
    results = []
    for name, units in (("of nothing", 0), ("of one unit", 1)):
        victim = scene.desk.agreed().escrows.get()
        before = scene.calm()
        _flood(scene.desk.engine.chain, victim.vault_address, units)
        paid = scene.other.agreed().escrows.get()
        scene.other.pay(paid)
        stop = threading.Event()
        waited: list[float] = []
        follower = threading.Thread(target=_follow, args=(scene, paid, stop, waited))
        follower.start()
        during = scene.bystander.look(scene.page, pause=0.2)
        follower.join(300)
        stop.set()
        expect(bool(waited), "the deposit behind the dust was booked")
        page = scene.attacker.send("GET", page_of(victim))
        results.append(
            {
                "case": f"{_DUST:,} transfers {name}",
                "answers": {
                    "seconds until a deposit behind them counted": round(waited[0], 1),
                    "bytes of their page": len(page[1]),
                },
                **verdict(before, during),
            }
        )
    return results


def _flood(chain: Anvil, vault: str, units: int) -> None:
    """A thousand transactions of one stranger with nonces of their own: alike but for them."""
    payer = chain.accounts[5]
    chain.send(TEST_USDT_ADDRESS, test_token_mint(payer, _DUST))
    until(lambda: not int(chain.rpc("txpool_status")["pending"], 16), "the stranger had money")
    first = int(chain.rpc("eth_getTransactionCount", payer, "latest"), 16)
    shared = {"from": payer, "to": TEST_USDT_ADDRESS, "gas": hex(100_000)}
    shared["data"] = "0x" + erc20_transfer(vault, units).hex()
    crowd.many(
        chain,
        [("eth_sendTransaction", [shared | {"nonce": hex(first + place)}]) for place in range(_DUST)],
    )


def _follow(scene: Scene, escrow: Any, stop: threading.Event, waited: list[float]) -> None:
    import time

    from django.db import connections

    start = time.monotonic()
    try:
        while not stop.is_set() and time.monotonic() < start + 290:
            if scene.other.state(escrow) == "funded":
                waited.append(time.monotonic() - start)
                return
            time.sleep(0.2)
    finally:
        connections.close_all()


def bodies(scene: Scene) -> list[dict[str, Any]]:
    """Hundreds of megabytes to addresses that want nothing, and bodies that never come."""
    results = []
    json = {"Content-Type": "application/json"}
    for name, address in (
        ("a page that is not there", "/nothing/here/"),
        ("the API, no key", "/api/v1/deals"),
    ):
        before = scene.calm()
        plan = {"megabytes": _BODY_MB, "headers": json, "at_once": 4, "most": 40}
        with scene.attack("bodies", scene.site.url + address, **plan) as attack:
            during = scene.bystander.look(scene.page)
        sent = attack.tally.pop("bytes", 0) // 1_000_000
        case = f"bodies of {_BODY_MB} MB to {name}: {sent} MB were taken"
        results.append({"case": case, "answers": attack.tally, **verdict(before, during)})
    before, sockets = scene.calm(), _open_sockets(scene)
    plan = {"headers": json, "at_once": 60, "most": 60}
    with scene.attack("unfinished", scene.site.url + "/api/v1/deals", **plan) as attack:
        during = scene.bystander.look(scene.page)
        # Until the site itself has ended them.
        until(lambda: _open_sockets(scene) <= sockets + 5, "unfinished bodies were cut off", pause=1)
    results.append({"case": "60 bodies that never come", "answers": attack.tally, **verdict(before, during)})
    return results


def _open_sockets(scene: Scene) -> int:
    from pathlib import Path

    folder = Path(f"/proc/{scene.site.pids['web']}/fd")
    return sum(1 for entry in folder.iterdir() if _target(entry).startswith("socket:"))


def _target(entry: Any) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def races(scene: Scene) -> list[dict[str, Any]]:
    """Everybody decides about one escrow at the same instant: both sides' pages, the API, the console."""
    from payments.models import DECIDING, Order

    secret, escrows = _delegated(scene)
    operator = _operator(scene)
    seller = Visitor.signed_in(scene.site.url, THEIRS, scene.desk.cast.seller.email, PASSWORD)
    before = scene.calm()
    answers: Counter[str] = Counter()
    looked: list[Any] = []
    watcher = threading.Thread(target=lambda: looked.append(scene.bystander.look(scene.page)))
    watcher.start()
    broken = []
    for place, escrow in enumerate(escrows):
        # A hold needs no password and would win every race.
        for name, status in _race(scene, escrow, seller, operator, secret, with_hold=place % 2 == 0):
            answers[f"{name} {status}"] += 1
            if status in {0, 500}:
                broken.append(f"{name} {status}")
        decided = Order.objects.filter(escrow=escrow, kind__in=DECIDING).count()
        expect(decided <= 1, f"{decided} orders decided {escrow.pk}")
    watcher.join(120)
    felt = verdict(before, looked[0])
    felt["held"] = felt["held"] and not broken
    return [{"case": f"races of {_RACES} escrows", "answers": {**answers}, **felt}]


def _race(
    scene: Scene, escrow: Any, seller: Visitor, operator: Visitor, secret: str, *, with_hold: bool
) -> list[tuple[str, int]]:
    given = {"how_much": "all", "password": PASSWORD}
    release = scene.attacker.form(page_of(escrow, "release/")) | given
    refund = seller.form(page_of(escrow, "refund/")) | given
    dispute = seller.form(page_of(escrow, "dispute/open/")) | {
        "reason": "refused_release",
        "text": "Everything was handed over on Tuesday, and nobody answers since then.",
    }
    hold = operator.form(_console(escrow)) | {"_form_submitted": "on", "reason": "played"}
    acts: list[tuple[str, Callable[[], int]]] = []
    for number in range(_RIVALS):
        acts += [
            ("page release", lambda: scene.attacker.send("POST", page_of(escrow, "release/"), release)[0]),
            ("page refund", lambda: seller.send("POST", page_of(escrow, "refund/"), refund)[0]),
            ("API release", lambda n=number: _by_api(scene, escrow, secret, f"{escrow.pk} {n % 2}")),  # type: ignore[misc]
        ]
    acts.append(("page dispute", lambda: seller.send("POST", page_of(escrow, "dispute/open/"), dispute)[0]))
    if with_hold:
        acts.append(("console hold", lambda: operator.send("POST", _console(escrow), hold)[0]))
    line = threading.Barrier(len(acts))
    found: list[tuple[str, int]] = []

    def run(name: str, act: Callable[[], int]) -> None:
        line.wait(30)
        found.append((name, act()))

    threads = [threading.Thread(target=run, args=pair) for pair in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return found


def _console(escrow: Any) -> str:
    from django.contrib.admin.utils import quote

    return f"/admin/payments/escrow/{quote(escrow.pk)}/hold/"


def _by_api(scene: Scene, escrow: Any, secret: str, key: str) -> int:
    import requests

    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}
    address = f"{scene.site.url}/api/v1/escrows/{escrow.pk}/release"
    try:
        return requests.post(address, json={}, headers=headers, timeout=60).status_code
    except requests.RequestException:
        return 0


def _delegated(scene: Scene) -> tuple[str, list[Any]]:
    """A partner's secret, and funded escrows whose buyer lets the partner release."""
    from core.actors import SYSTEM
    from partners.models import Scope
    from partners.services.accounts import create_partner
    from partners.services.keys import create_key
    from payments.services import deals
    from tests.payments.fixtures import BUYER_ADDRESS, SELLER_ADDRESS

    partner = create_partner(name="Market", owner=scene.desk.cast.stranger, actor=SYSTEM)
    secret = create_key(partner, livemode=False, scopes=Scope.values, actor=SYSTEM).secret
    escrows = []
    for _ in range(_RACES):
        deal = deals.open_for_partner(
            partner=partner,
            agreement=scene.desk.agreement(250 * USDT),
            buyer_email=scene.desk.cast.buyer.email,
            seller_email=scene.desk.cast.seller.email,
            buyer_address=BUYER_ADDRESS,
            seller_address=SELLER_ADDRESS,
            external_reference="",
            metadata={},
            livemode=False,
        )
        for role in ("buyer", "seller"):
            token = deal.parties.get(role=role).invite_token
            party = deals.join(invite_token=token, user=getattr(scene.desk.cast, role))
            version = deals.current_version(deal).hash
            deals.accept(deal_id=deal.pk, party=party, version_hash=version, delegate=True)
        escrows.append(deal.escrows.get())
    for escrow in escrows:
        scene.desk.pay(escrow)
    for escrow in escrows:
        until(lambda e=escrow: scene.desk.state(e) == "funded", "an escrow was funded")  # type: ignore[misc]
    return secret, escrows


def _operator(scene: Scene) -> Visitor:
    from accounts.models import User

    User.objects.create_superuser("operator@example.org", PASSWORD)
    return Visitor.signed_in(scene.site.url, "127.0.0.4", "operator@example.org", PASSWORD)


def _funded(scene: Scene) -> Any:
    escrow = scene.desk.agreed().escrows.get()
    scene.desk.pay(escrow)
    until(lambda: scene.desk.state(escrow) == "funded", "the escrow was funded")
    return escrow


PLAYS: dict[str, Callable[[Scene], list[dict[str, Any]]]] = {
    "passwords": passwords,
    "dust": dust,
    "bodies": bodies,
    "races": races,
}
