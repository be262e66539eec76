"""The pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from chat import views
from moorline_django.views import session

urlpatterns = [
    path("", views.rooms, name="rooms"),
    path("login/", LoginView.as_view(template_name="chat/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("rooms/<slug:room>/", views.room, name="room"),
    path("rooms/<slug:room>/messages/", views.messages, name="messages"),
    path("rooms/<slug:room>/orders/", views.order, name="order"),
    path("moorline/<slug:room>/", views.moorline_room, name="moorline_room"),
    path("token/", views.token_for_page, name="token"),
    path("moorline-auth/", session),
]
