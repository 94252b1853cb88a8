"""The only writers of keys and seats."""

from wallets.services.keys import create_key, import_key
from wallets.services.seats import active_seats, create_seat, sign_ruling

__all__ = ["active_seats", "create_key", "create_seat", "import_key", "sign_ruling"]
