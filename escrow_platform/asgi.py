"""ASGI entry point: pages and API over HTTP, live pages over websockets."""

import os
from concurrent.futures import ThreadPoolExecutor

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.db import connections

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "escrow_platform.settings.production")
django_application = get_asgi_application()
# Each request runs in a thread of its own: a connection that outlives the request is used by nobody again,
# and counts against the limit of the role until it is collected.
connections.settings["default"]["CONN_MAX_AGE"] = 0

# Models load with the application above.
from core.rights import require_plain_role  # noqa: E402
from escrow_platform.door import Door  # noqa: E402
from escrow_platform.lifespan import lifespan  # noqa: E402
from escrow_platform.urls import websocket_urlpatterns  # noqa: E402

with ThreadPoolExecutor(1) as aside:  # a server imports this inside its event loop, where no query may run
    aside.submit(require_plain_role).result()

application = Door(
    ProtocolTypeRouter(
        {
            "http": django_application,
            "lifespan": lifespan,
            "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
        }
    )
)
