"""Errors of the HTTP API: every failed request is answered with `{"error": "one line"}`."""

from typing import Any, NoReturn

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from infomax.errors import InfoMaxError
from infomax.web.schemas import Failure


def refuse(status: int, error: str) -> NoReturn:
    """Refuse the current request.

    Args:
        status: HTTP status code.
        error: One line that says what is wrong and what to do.

    Raises:
        HTTPException: Always.
    """
    raise HTTPException(status, error)


def failures(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document failures of a route for OpenAPI.

    Args:
        *statuses: HTTP status codes that the route can fail with.

    Returns:
        The `responses` argument of a FastAPI route.
    """
    return {status: {"model": Failure} for status in statuses}


def install_error_handlers(app: FastAPI) -> None:
    """Make an application answer every failure with one line of JSON.

    Args:
        app: The application to change.
    """

    @app.exception_handler(RequestValidationError)
    def invalid_request(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        parameter = " ".join(str(part) for part in first["loc"][1:])
        return _failure(422, f"{parameter}: {first['msg'].lower()}")

    @app.exception_handler(StarletteHTTPException)  # base class of FastAPI's; unknown addresses raise this one
    def refused_request(_: Request, error: StarletteHTTPException) -> Response:
        return _failure(error.status_code, error.detail)

    @app.exception_handler(InfoMaxError)
    def unusable_index(_: Request, error: InfoMaxError) -> Response:
        return _failure(503, str(error))


def _failure(status: int, error: str) -> Response:
    return JSONResponse({"error": " ".join(error.split())}, status)
