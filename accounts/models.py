"""People who sign in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models, transaction

from core.fields import PrefixedIdField
from core.text import isolated


class PersonManager(UserManager["User"]):
    """People are created by e-mail; there is no user name."""

    def _create(self, email: str, password: str | None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]
        """A person without any staff right."""
        return self._create(email, password, **fields)

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":  # type: ignore[override]
        """An operator with every right."""
        return self._create(email, password, **(fields | {"is_staff": True, "is_superuser": True}))

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractUser):
    """A person. Rights come from groups; sides of a deal come from its parties, never from here."""

    id = PrefixedIdField("usr")
    username = None  # type: ignore[assignment]
    email = models.EmailField("e-mail address", unique=True)
    display_name = models.CharField(max_length=80, blank=True)
    # The last change of e-mail, password or second factor; written by `services.security` alone.
    sign_in_changed_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[PersonManager] = PersonManager()  # type: ignore[assignment]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    # The address before the save that is under way, for `accounts.watching`.
    email_before: str | None = None

    @transaction.atomic
    def save(self, *args: Any, **kwargs: Any) -> None:
        """A changed way in and what is written down about it are one."""
        super().save(*args, **kwargs)

    @property
    def name(self) -> str:
        """What others see: the chosen name, else the part of the address before the @."""
        return self.display_name or self.email.partition("@")[0]

    def __str__(self) -> str:
        return f"{isolated(self.name)} <{self.email}>"


class WrongTry(models.Model):
    """A guess at a password or code that was wrong, or is being looked at; see `services.guesses`."""

    id = models.BigAutoField(primary_key=True)
    # A keyed hash of who guessed at what: nobody reads addresses or sessions here.
    key = models.CharField(max_length=64)
    created = models.DateTimeField()

    class Meta:
        verbose_name_plural = "wrong tries"
        indexes: ClassVar = [
            models.Index(fields=["key", "created"], name="wrong_tries_by_key"),
            models.Index(fields=["created"], name="wrong_tries_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.key[:8]} at {self.created:%Y-%m-%d %H:%M:%S} UTC"
