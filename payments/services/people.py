"""The two sides of a deal are two people: told apart by their e-mail addresses before anybody is invited."""

from allauth.account.models import EmailAddress

from accounts.models import User
from core.errors import FieldError, Invalid
from core.text import require_short


def normal(email: str) -> str:
    """How an address is stored and compared: without the white space around it, in lower case."""
    return email.strip().lower()


def same(one: str, other: str) -> bool:
    """Whether mail to both reaches one mailbox, as far as their writing tells."""
    return _key(one) == _key(other)


def is_of(user: User, email: str) -> bool:
    """Whether it is the address with which this person signs in, or another one that they have verified."""
    return any(same(email, known) for known in _of(user))


def other_side(user: User | None, email: str) -> str:
    """The address of the other side as its author typed it, to be stored; empty stays empty.

    Raises `Invalid` for an address of the author's own, and for characters that hide or turn it.
    """
    require_short(normal(email), pointer="/counterparty_email")
    if user is not None and normal(email) and is_of(user, email):
        message = "This is your own e-mail address. Give the address of the other side, or leave it empty."
        raise Invalid("parties_equal", message, [FieldError("/counterparty_email", "parties_equal", message)])
    return normal(email)


def two(buyer: str, seller: str) -> tuple[str, str]:
    """Both sides' addresses, to be stored. Raises `Invalid` where one person has both, and for hidden
    characters."""
    require_short(normal(buyer), pointer="/buyer/email")
    require_short(normal(seller), pointer="/seller/email")
    owners = User.objects.filter(email__in=[normal(buyer), normal(seller)])
    if same(buyer, seller) or any(is_of(owner, buyer) and is_of(owner, seller) for owner in owners):
        message = "Buyer and seller are two people with two e-mail addresses."
        raise Invalid("parties_equal", message, [FieldError("/seller/email", "parties_equal", message)])
    return normal(buyer), normal(seller)


def _of(user: User) -> list[str]:
    verified = EmailAddress.objects.filter(user=user, verified=True)
    return [user.email, *verified.values_list("email", flat=True)]


def _key(email: str) -> str:
    """A domain has one name in ASCII however it is written."""
    name, _, domain = normal(email).rpartition("@")
    try:
        return f"{name}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return f"{name}@{domain}"
