"""What the widget asks of this site: `path("moorline/", include("moorline_django.urls"))`."""

from __future__ import annotations

from django.urls import path

from .views import widget_token

app_name = "moorline"
urlpatterns = [path("token/", widget_token, name="token")]
