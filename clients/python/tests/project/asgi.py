"""The routes of the test project, wrapped as projects wrap them."""

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

from . import consumers as kinds

sockets = [
    path("a/", kinds.Handles.as_asgi()),
    path("b/", kinds.Lacks.as_asgi()),
    path("c/", kinds.LacksByFormat.as_asgi()),
    path("d/", URLRouter([path("e/", kinds.LacksUnknown.as_asgi()), path("f/", kinds.Listed.as_asgi())])),
    path("g/", kinds.Elsewhere.as_asgi()),
    path("h/", kinds.Quiet.as_asgi()),
    path("i/", kinds.Lacks.as_asgi()),
]

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(sockets))),
        "channel": ChannelNameRouter({"worker": kinds.Inherits.as_asgi()}),
    }
)

broken = None
