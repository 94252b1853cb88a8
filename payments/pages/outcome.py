"""One way from a form to a service and back: a refusal is a sentence on the form, and nothing is lost."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest

from core.errors import DomainError


def carried_out(form: forms.BaseForm, do: Callable[[], Any]) -> bool:
    """Run the service call; put what it refuses on the form, on the field it names if there is one."""
    try:
        do()
    except DomainError as error:
        show_on(form, error)
        return False
    return True


def show_on(form: forms.BaseForm, error: DomainError) -> None:
    """Errors of known fields beside them, everything else at the top."""
    placed = False
    for item in error.errors:
        name = item.pointer.strip("/").split("/")[-1]
        if name in form.fields:
            form.add_error(name, item.message)
            placed = True
    if not placed:
        form.add_error(None, error.message)


def clicked(request: HttpRequest, do: Callable[[], Any], success: str) -> bool:
    """For a button without a form: the outcome is a message on the next page."""
    try:
        do()
    except DomainError as error:
        messages.error(request, error.message)
        return False
    messages.success(request, success)
    return True
