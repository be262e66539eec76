"""What Daphne serves: pages by Django, the socket by the consumer."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")
# In production a proxy serves the static files; here the example does it itself.
pages = ASGIStaticFilesHandler(get_asgi_application())

from chat.consumers import UnifiedConsumer  # noqa: E402  (models need the set-up above)

sockets = URLRouter([path("ws/chat/", UnifiedConsumer.as_asgi())])
application = ProtocolTypeRouter(
    {"http": pages, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(sockets))}
)
