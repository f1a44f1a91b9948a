"""The dashboard process: screens at /, the server's API at /api and /go, one origin for all."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from streamlit.runtime.secrets import SecretsValue

from dashboard.forward import Forward, transport
from watchkeeper.settings import Settings

SCRIPT = Path(__file__).with_name("app.py")


def assembled(settings: Settings) -> Starlette:
    """Return the ASGI app: Streamlit, with the server's addresses in front of it."""
    server = settings.dashboard.server_url or f"http://127.0.0.1:{settings.ports.api}"
    given: dict[str, SecretsValue] = {"server": server, "catalog": str(settings.catalog_folder())}
    screens = st.App(SCRIPT, secrets={"watchkeeper": given})
    through = transport()
    forward = Forward(server, through)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # A mounted app's own lifespan is not run: it runs here.
        async with screens.lifespan()(app), through:
            gc.collect()
            gc.freeze()  # Streamlit collects after every run; what start-up built is left out
            yield

    routes = [Mount("/api", app=forward), Mount("/go", app=forward), Mount("/", app=screens)]
    app = Starlette(lifespan=lifespan, routes=routes)
    return app


def run(settings: Settings) -> int:
    """Serve the screens until SIGTERM or SIGINT; 0 when ended so, 1 when the port is taken."""
    config = uvicorn.Config(
        assembled(settings),
        host=settings.dashboard.host,
        port=settings.ports.dashboard,
        log_config=None,  # its lines as all others
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=2,  # open streams do not end by themselves
    )
    server = uvicorn.Server(config)
    server.run()
    return 0 if server.started else 1
