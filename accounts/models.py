"""People who sign in."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models

from core.fields import PrefixedIdField


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

    objects: ClassVar[PersonManager] = PersonManager()  # type: ignore[assignment]

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    @property
    def name(self) -> str:
        """What others see: the chosen name, else the part of the address before the @."""
        return self.display_name or self.email.partition("@")[0]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


class StepUpFailure(models.Model):
    """A wrong password where money was about to leave; the newest ones make the limit."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="step_up_failures")
    created = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["user", "created"], name="step_up_by_user")]

    def __str__(self) -> str:
        return f"{self.user_id} at {self.created:%Y-%m-%d %H:%M:%S} UTC"
