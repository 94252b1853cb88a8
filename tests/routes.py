"""Who gets what at every address: one entry for each product route, a rule for the admin's generated ones.

A row names what each viewer gets, in the order of `VIEWERS`. `partner` is the marketplace that opened the
deals, `rival` another one; both call with a key of every scope. The requests are empty.
"""

VIEWERS = ("anonymous", "stranger", "buyer", "seller", "arbitrator", "partner", "rival")

# Anyone, signed in or not.
EVERYBODY = "200 200 200 200 200 200 200"
# Nothing is here, for anyone.
NOBODY = "404 404 404 404 404 404 404"
# Refused before anyone is looked at.
NO_SUCH_VERB = "405 405 405 405 405 405 405"
# Everybody is sent elsewhere: nothing to do here in their situation.
SENT_AWAY = "302 302 302 302 302 302 302"
# Who is signed in has no business here.
GUESTS = "200 302 302 302 302 200 200"
# Everybody signed in.
PEOPLE = "302 200 200 200 200 302 302"
# Everybody signed in, but they have no such thing.
PEOPLE_WITHOUT = "302 404 404 404 404 302 302"
# Signed in, and this verb is not offered.
PEOPLE_NOT_THIS_VERB = "302 405 405 405 405 302 302"
# Both sides; to others the deal does not exist.
PARTIES = "302 404 200 200 404 302 302"
# Both sides, sent on to another page.
PARTIES_SENT_ON = "302 404 302 302 404 302 302"
# Both sides; an empty form is refused.
PARTIES_REFUSED = "302 404 422 422 404 302 302"
# Both sides, and this verb is not offered.
PARTIES_NOT_THIS_VERB = "302 404 405 405 404 302 302"
# Both sides, but there is no such payment.
PARTIES_WITHOUT = "302 404 404 404 404 302 302"
# The buyer; the seller sees the deal but may not do this.
BUYER = "302 404 200 403 404 302 302"
# The buyer, sent on.
BUYER_SENT_ON = "302 404 302 403 404 302 302"
# The buyer, who opened the dispute.
BUYER_AS_OPENER = "302 404 200 404 404 302 302"
# The seller; the buyer sees the deal but may not do this.
SELLER = "302 404 403 200 404 302 302"
# The seller, who wrote the draft that nobody else sees.
AUTHOR = "302 404 404 200 404 302 302"
# The author, sent on.
AUTHOR_SENT_ON = "302 404 404 302 404 302 302"
# Any key; each sees its own.
KEYS = "401 401 401 401 401 200 200"
# Any key; an empty body is refused.
KEYS_REFUSED = "401 401 401 401 401 422 422"
# Any key, and this verb is not offered.
KEYS_NOT_THIS_VERB = "401 401 401 401 401 405 405"
# The deal's partner; to another partner it does not exist.
OWN_KEY = "401 401 401 401 401 200 404"
# The deal's partner; an empty body is refused.
OWN_KEY_REFUSED = "401 401 401 401 401 422 404"
# The deal's partner, for whom no side lets it act.
OWN_KEY_WITHOUT_DELEGATION = "401 401 401 401 401 403 404"
# The deal's partner, but there is no such payment.
OWN_KEY_WITHOUT_IT = "401 401 401 401 401 404 404"

_DEAL = "deals/<opaque:deal_id>/"
_ESCROW = f"{_DEAL}escrows/<opaque:escrow_id>/"
_API_ESCROW = "api/v1/escrows/<opaque:escrow_id>/"
_ROOM = f"{_ESCROW}dispute/"
_KEY = "accounts/2fa/webauthn/keys/<int:pk>/"
_CONFIRM = r"accounts/^confirm-email/(?P<key>[-:\w]+)/$"
_RESET = r"accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$"

# route: (GET, POST)
ROUTES: dict[str, tuple[str, str]] = {
    "": (EVERYBODY, NO_SUCH_VERB),
    "help/": (EVERYBODY, NO_SUCH_VERB),
    "rules/": (EVERYBODY, NO_SUCH_VERB),
    f"{_ESCROW}demo-pay/": (PARTIES_SENT_ON, BUYER_SENT_ON),
    "accounts/profile/": (PEOPLE, PEOPLE),
    "accounts/login/": (GUESTS, GUESTS),
    "accounts/logout/": (PEOPLE, SENT_AWAY),
    "accounts/inactive/": (EVERYBODY, NO_SUCH_VERB),
    "accounts/signup/": (GUESTS, GUESTS),
    "accounts/reauthenticate/": (PEOPLE, PEOPLE),
    "accounts/email/": (PEOPLE, SENT_AWAY),
    "accounts/confirm-email/": (EVERYBODY, NO_SUCH_VERB),
    "accounts/password/change/": (PEOPLE, PEOPLE),
    "accounts/password/set/": (SENT_AWAY, SENT_AWAY),
    "accounts/password/reset/": (EVERYBODY, EVERYBODY),
    "accounts/login/code/confirm/": (SENT_AWAY, SENT_AWAY),
    _CONFIRM: (EVERYBODY, NOBODY),
    "accounts/password/reset/key/done/": (EVERYBODY, NO_SUCH_VERB),
    _RESET: (EVERYBODY, EVERYBODY),
    "accounts/password/reset/done/": (EVERYBODY, NO_SUCH_VERB),
    "accounts/2fa/": (PEOPLE, PEOPLE_NOT_THIS_VERB),
    "accounts/2fa/authenticate/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/reauthenticate/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/totp/activate/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/totp/deactivate/": (PEOPLE_WITHOUT, PEOPLE_WITHOUT),
    "accounts/2fa/recovery-codes/": (PEOPLE_WITHOUT, PEOPLE_NOT_THIS_VERB),
    "accounts/2fa/recovery-codes/generate/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/recovery-codes/download/": (PEOPLE_WITHOUT, PEOPLE_WITHOUT),
    "accounts/2fa/webauthn/": (PEOPLE, PEOPLE_NOT_THIS_VERB),
    "accounts/2fa/webauthn/add/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/webauthn/reauthenticate/": (SENT_AWAY, SENT_AWAY),
    f"{_KEY}remove/": (SENT_AWAY, SENT_AWAY),
    f"{_KEY}edit/": (SENT_AWAY, SENT_AWAY),
    "accounts/2fa/webauthn/login/": (SENT_AWAY, SENT_AWAY),
    _ROOM: (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ROOM}open/": (PARTIES, PARTIES),
    f"{_ROOM}live/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ROOM}evidence/": (PARTIES_SENT_ON, PARTIES_REFUSED),
    f"{_ROOM}nothing-more/": (PARTIES_SENT_ON, PARTIES_SENT_ON),
    f"{_ROOM}withdraw/": (BUYER_AS_OPENER, PARTIES_SENT_ON),
    f"{_ROOM}files/<opaque:file_id>/": (PARTIES, PARTIES_NOT_THIS_VERB),
    "deals/": (PEOPLE, PEOPLE_NOT_THIS_VERB),
    "deals/new/": (PEOPLE, PEOPLE),
    "deals/invitations/<slug:token>/": (EVERYBODY, NO_SUCH_VERB),
    "deals/invitations/<slug:token>/join/": (SENT_AWAY, SENT_AWAY),
    _DEAL: (PARTIES_SENT_ON, PARTIES_NOT_THIS_VERB),
    f"{_DEAL}edit/": (AUTHOR, AUTHOR),
    f"{_DEAL}preview/": (AUTHOR, AUTHOR_SENT_ON),
    f"{_DEAL}answer/": (PARTIES, PARTIES),
    f"{_DEAL}counter/": (PARTIES, PARTIES),
    f"{_DEAL}cancel/": (PARTIES, PARTIES_SENT_ON),
    f"{_DEAL}terms/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_DEAL}files/<opaque:file_id>/": (PARTIES, PARTIES_NOT_THIS_VERB),
    _ESCROW: (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}live/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}pay/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}pay/live/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}open/": (PARTIES_SENT_ON, BUYER_SENT_ON),
    f"{_ESCROW}deliver/": (SELLER, SELLER),
    f"{_ESCROW}changes/": (BUYER, BUYER),
    f"{_ESCROW}release/": (BUYER, BUYER),
    f"{_ESCROW}refund/": (SELLER, SELLER),
    f"{_ESCROW}take-back/": (BUYER, BUYER),
    f"{_ESCROW}return-late/": (BUYER, BUYER),
    f"{_ESCROW}refund-request/": (BUYER, BUYER),
    f"{_ESCROW}refund-answer/": (SELLER, SELLER),
    f"{_ESCROW}payouts/<opaque:leg_id>/retry/": (PARTIES_SENT_ON, PARTIES_WITHOUT),
    f"{_ESCROW}receipt/": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}receipt.pdf": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}terms.json": (PARTIES, PARTIES_NOT_THIS_VERB),
    f"{_ESCROW}files/<opaque:file_id>/": (PARTIES, PARTIES_NOT_THIS_VERB),
    "api/v1/deals": (KEYS, KEYS_REFUSED),
    "api/v1/deals/<opaque:deal_id>": (OWN_KEY, KEYS_NOT_THIS_VERB),
    "api/v1/escrows": (KEYS, KEYS_NOT_THIS_VERB),
    "api/v1/escrows/<opaque:escrow_id>": (OWN_KEY, KEYS_NOT_THIS_VERB),
    "api/v1/escrows/<opaque:escrow_id>/deposits": (OWN_KEY, KEYS_NOT_THIS_VERB),
    "api/v1/escrows/<opaque:escrow_id>/release": (KEYS_NOT_THIS_VERB, OWN_KEY_WITHOUT_DELEGATION),
    "api/v1/escrows/<opaque:escrow_id>/refund": (KEYS_NOT_THIS_VERB, OWN_KEY_WITHOUT_DELEGATION),
    "api/v1/escrows/<opaque:escrow_id>/payouts/<opaque:leg_id>/retry": (
        KEYS_NOT_THIS_VERB,
        OWN_KEY_WITHOUT_IT,
    ),
    "api/v1/events": (KEYS, KEYS_NOT_THIS_VERB),
    "api/v1/escrows/<opaque:escrow_id>/dispute": (KEYS_NOT_THIS_VERB, OWN_KEY_REFUSED),
    "api/v1/disputes": (KEYS, KEYS_NOT_THIS_VERB),
    "api/v1/disputes/<opaque:dispute_id>": (OWN_KEY, KEYS_NOT_THIS_VERB),
    "api/v1/schema": (EVERYBODY, NO_SUCH_VERB),
    "api/v1/reference": (EVERYBODY, NO_SUCH_VERB),
    "api/": (NOBODY, NOBODY),
}
TABLE = {
    (method, route): row
    for route, entry in ROUTES.items()
    for method, row in zip(("GET", "POST"), entry, strict=True)
}

# At which stage the deal is that the address is asked for; funded where nothing is said.
OBJECT_FOR = {
    f"{_DEAL}edit/": "draft",
    f"{_DEAL}preview/": "draft",
    f"{_DEAL}answer/": "proposed",
    f"{_DEAL}counter/": "proposed",
    f"{_DEAL}cancel/": "proposed",
    "deals/invitations/<slug:token>/": "invited",
    "deals/invitations/<slug:token>/join/": "invited",
    f"{_ESCROW}files/<opaque:file_id>/": "delivered",
    f"{_ESCROW}changes/": "delivered",
    _ROOM: "disputed",
    f"{_ROOM}live/": "disputed",
    f"{_ROOM}evidence/": "disputed",
    f"{_ROOM}nothing-more/": "disputed",
    f"{_ROOM}withdraw/": "disputed",
    f"{_ROOM}files/<opaque:file_id>/": "disputed",
}

# Addresses for routes whose values are not those of a deal.
REGULAR = {
    _CONFIRM: "accounts/confirm-email/none/",
    _RESET: "accounts/password/reset/key/1-none/",
    f"{_KEY}remove/": "accounts/2fa/webauthn/keys/1/remove/",
    f"{_KEY}edit/": "accounts/2fa/webauthn/keys/1/edit/",
}

# Below /api/v1/, but about the API itself.
UNDOCUMENTED = ("api/v1/schema", "api/v1/reference")

# Everybody without a staff account is sent from every address of the admin to its door, which sends guests to
# the sign-in and refuses who is signed in already.
ADMIN_DOOR = {"admin/login/": {"stranger": 403, "buyer": 403, "seller": 403}}
ADMIN_SEEN_BY_ARBITRATORS = ("admin/disputes/dispute/",)
