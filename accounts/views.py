"""A person's own account; signing up and in are allauth's."""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.forms import ProfileForm
from accounts.models import User
from accounts.services import security


@login_required
def profile(request: HttpRequest) -> HttpResponse:
    # A fresh copy: a refused form must not change the name that the header shows.
    person = User.objects.get(pk=cast(User, request.user).pk)
    form = ProfileForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Saved.")
        return redirect("profile")
    shown = {"form": form, "waits_until": security.waits_until(person)}
    return render(request, "account/profile.html", shown)
