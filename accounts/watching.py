"""Notices every change of how a person signs in, by whichever page, form or command it is made."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.signals import email_added, password_reset
from allauth.mfa.models import Authenticator
from django.db.models.signals import post_delete, post_save, pre_save
from django.http import HttpRequest

from accounts.models import User
from accounts.services import guesses, security


def watch() -> None:
    """Connect once, at the start."""
    pre_save.connect(_before, sender=User, dispatch_uid="sign_in_before")
    post_save.connect(_after, sender=User, dispatch_uid="sign_in_after")
    post_save.connect(_factor_saved, sender=Authenticator, dispatch_uid="factor_saved")
    post_delete.connect(_factor_gone, sender=Authenticator, dispatch_uid="factor_gone")
    email_added.connect(_address_asked, dispatch_uid="address_asked")
    password_reset.connect(_link_followed, dispatch_uid="link_followed")


def _before(sender: Any, instance: User, update_fields: Any = None, **_: Any) -> None:
    """Keep which e-mail address the row has before it is written."""
    instance.email_before = None
    if not instance._state.adding and (update_fields is None or "email" in update_fields):
        instance.email_before = User.objects.filter(pk=instance.pk).values_list("email", flat=True).first()


def _after(sender: Any, instance: User, created: bool, **_: Any) -> None:
    if created:
        return
    # Set by `set_password` alone: a stronger hash of the same password is no change.
    if getattr(instance, "_password", None) is not None:
        # Nobody confirms an address that was asked for under the old password.
        EmailAddress.objects.filter(user=instance, verified=False).exclude(email=instance.email).delete()
        security.changed(instance.pk, security.PASSWORD)
    if instance.email_before not in (None, instance.email):
        security.changed(instance.pk, security.EMAIL)


def _factor_saved(sender: Any, instance: Authenticator, created: bool, **_: Any) -> None:
    if created:
        security.changed(instance.user_id, security.FACTOR)


def _factor_gone(sender: Any, instance: Authenticator, **_: Any) -> None:
    security.changed(instance.user_id, security.FACTOR)


def _link_followed(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:
    guesses.proved_mailbox(request, user)


def _address_asked(
    sender: Any, request: HttpRequest, user: User, email_address: EmailAddress, **_: Any
) -> None:
    """The old address hears of a new one before it counts."""
    facts = {"to_email": email_address.email}
    get_adapter(request).send_notification_mail("account/email/email_asked", user, facts)
