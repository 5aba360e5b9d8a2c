"""FastAPI application for one index: middleware, error handlers and routes."""

from fastapi import FastAPI

from infomax.explore.learning import LearningProcess
from infomax.search.reader import IndexReader
from infomax.web.errors import failures, install_error_handlers
from infomax.web.permissions import LOOK_ONLY, Permissions
from infomax.web.proxies import BelowPath, PublicAddress
from infomax.web.routes.curation import router as curation_router
from infomax.web.routes.explanations import router as explanations_router
from infomax.web.routes.export import router as export_router
from infomax.web.routes.images import router as images_router
from infomax.web.routes.learning import router as learning_router
from infomax.web.routes.map import router as map_router
from infomax.web.routes.matches import router as matches_router
from infomax.web.routes.originals import router as originals_router
from infomax.web.routes.overview import router as overview_router
from infomax.web.routes.page import page_router
from infomax.web.routes.statistics import router as statistics_router
from infomax.web.routes.tags import router as tags_router
from infomax.web.routes.trash import router as trash_router
from infomax.web.security import CrossOriginProtection
from infomax.web.state import ServerState
from infomax.web.tokens import TokenProtection

ROUTERS = (
    statistics_router,
    learning_router,
    overview_router,
    images_router,
    originals_router,
    matches_router,
    map_router,
    curation_router,
    explanations_router,
    tags_router,
    trash_router,
    export_router,
)


def create_app(
    index: IndexReader,
    host: str = "127.0.0.1",
    public: PublicAddress | None = None,
    permissions: Permissions = LOOK_ONLY,
    *,
    token: str | None = None,
    name: str | None = None,
    learning: LearningProcess | None = None,
) -> FastAPI:
    """Create the web application for an index.

    Args:
        index: The index to serve, or the preview that stands in for it while features are learned.
        host: Name or address that the server listens at. It decides which Host headers are accepted.
        public: Where a proxy shows the page, if one does.
        permissions: What the page may do beside looking.
        token: What a browser must bring along once; None to let everybody in.
        name: Name of the collection; None for that of the folder of the index.
        learning: The process that learns features, if there is one.

    Returns:
        An ASGI application, whose `state.server` is the `ServerState`.
    """
    app = FastAPI(
        title="infomax",
        summary="Image search in a collection of images.",
        version="1",
        docs_url=None,  # FastAPI's documentation pages load scripts from another host
        redoc_url=None,
        redirect_slashes=False,  # only the documented addresses exist
        responses=failures(400, 403, 409, 422),
    )
    app.state.server = ServerState(index, permissions, name=name, learning=learning)
    if token is not None:
        app.add_middleware(TokenProtection, token=token, public=public)
    app.add_middleware(CrossOriginProtection, host=host, public=public)
    if public is not None:
        app.add_middleware(BelowPath, path=public.path)  # outermost: what follows knows nothing of the proxy's path
    install_error_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    app.include_router(page_router())
    return app
