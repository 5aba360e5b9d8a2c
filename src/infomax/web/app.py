"""FastAPI application for one index: middleware, error handlers and routes."""

from fastapi import FastAPI

from infomax.search.index import Index
from infomax.web.errors import failures, install_error_handlers
from infomax.web.proxies import BelowPath, PublicAddress
from infomax.web.routes.images import router as images_router
from infomax.web.routes.map import router as map_router
from infomax.web.routes.matches import router as matches_router
from infomax.web.routes.page import page_router
from infomax.web.routes.statistics import router as statistics_router
from infomax.web.security import CrossOriginProtection
from infomax.web.state import ServerState


def create_app(index: Index, host: str = "127.0.0.1", public: PublicAddress | None = None) -> FastAPI:
    """Create the web application for an index.

    Args:
        index: The index to serve.
        host: Name or address that the server listens at. It decides which Host headers are accepted.
        public: Where a proxy shows the page, if one does.

    Returns:
        An ASGI application.
    """
    app = FastAPI(
        title="infomax",
        summary="Image search in a collection of images.",
        version="1",
        docs_url=None,  # FastAPI's documentation pages load scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # only the documented addresses exist
        responses=failures(400, 403, 422),
    )
    app.state.server = ServerState.of(index)
    app.add_middleware(CrossOriginProtection, host=host, public=public)
    if public is not None:
        app.add_middleware(BelowPath, path=public.path)  # outermost: what follows knows nothing of the proxy's path
    install_error_handlers(app)
    for router in (statistics_router, images_router, matches_router, map_router, page_router()):
        app.include_router(router)
    return app
