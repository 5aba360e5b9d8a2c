"""Random requests: every answer has a documented form, and no request causes a server error.

INFOMAX_FUZZ sets the number of valid and of invalid requests to each operation: 1000 makes about 10,000 in total.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.conftest import Served, serving

EXAMPLES = int(os.environ.get("INFOMAX_FUZZ", "8"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [
    ("GET", "/api/statistics"),
    ("GET", "/api/learning"),
    ("GET", "/api/images"),
    ("GET", "/api/ids"),
    ("GET", "/api/images/{id}"),
    ("GET", "/api/thumbnails/{id}"),
    ("GET", "/api/matches"),
    ("POST", "/api/matches"),
    ("GET", "/api/map"),
    ("GET", "/api/map/excluded"),
    ("GET", "/api/overview"),
    ("GET", "/api/clusters"),
    ("GET", "/api/originals/{id}"),
    ("GET", "/api/seen/{id}"),
    ("GET", "/api/explanations"),
    ("GET", "/api/duplicates"),
    ("GET", "/api/outliers"),
    ("GET", "/api/selection"),
    ("GET", "/api/checks"),
    ("GET", "/api/tags"),
    ("POST", "/api/tags"),
    ("POST", "/api/hidden"),
    ("POST", "/api/decisions"),
    ("DELETE", "/api/decisions/{id}"),
    ("GET", "/api/trash"),
    ("POST", "/api/trash"),
    ("POST", "/api/trash/restore"),
    ("POST", "/api/export"),
]
WITHOUT_PARAMETERS = (
    "/api/statistics",
    "/api/map",
    "/api/overview",
    "/api/clusters",
    "/api/tags",
    "/api/trash",
    "/api/learning",
)
"""Requests to these addresses are always valid."""

FUZZING = settings(
    max_examples=EXAMPLES,
    phases=[Phase.generate],  # no shrinking of a failing request: it would take thousands of requests
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="session")
def document(served: Served) -> schemathesis.schemas.BaseSchema:
    schema: schemathesis.schemas.BaseSchema = schemathesis.openapi.from_url(f"{served.address}/openapi.json")
    return schema


def test_the_list_of_operations_is_complete(served: Served) -> None:
    with served.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(OPERATIONS)


@pytest.mark.parametrize(
    ("method", "path", "valid"),
    [(*each, valid) for each in OPERATIONS for valid in (True, False) if valid or each[1] not in WITHOUT_PARAMETERS],
)
def test_random_requests_get_documented_answers(
    document: schemathesis.schemas.BaseSchema, method: str, path: str, valid: bool
) -> None:
    ask_at_random(document, method, path, valid=valid)


@pytest.fixture(scope="module")
def changing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.schemas.BaseSchema]:
    """The interface of a server that may write, with an index of its own. Random ids belong to no image."""
    folder = tmp_path_factory.mktemp("changing")
    shutil.copytree(template / "photos.index", folder / "photos.index")
    with serving(folder / "photos.index", "--allow-changes", "--trash", str(folder / "trash")) as (_, address):
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.parametrize(
    ("method", "path", "valid"),
    [(*each, valid) for each in OPERATIONS if each[0] != "GET" for valid in (True, False)],
)
def test_random_changes_get_documented_answers(
    changing: schemathesis.schemas.BaseSchema, method: str, path: str, valid: bool
) -> None:
    ask_at_random(changing, method, path, valid=valid)


def ask_at_random(document: schemathesis.schemas.BaseSchema, method: str, path: str, *, valid: bool) -> None:
    """Send random requests to one operation and check each answer."""
    operation = document[path][method]
    mode = schemathesis.GenerationMode.POSITIVE if valid else schemathesis.GenerationMode.NEGATIVE

    @FUZZING
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.validate_response(case.call(), checks=CHECKS)

    ask()


@FUZZING
@given(data=st.data())
def test_random_addresses_get_documented_answers(served: Served, data: st.DataObject) -> None:
    method = data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"]))
    path = data.draw(st.sampled_from(["/", "/static/", "/api/", "/api/images/", "/api/thumbnails/"]))
    rest = data.draw(st.text(alphabet="./\\%2eE5cC0ab~;:@?#& é", max_size=24))
    with httpx.Client(trust_env=False, timeout=60) as client:
        # without a base URL: with one, httpx takes "//" for the start of a host name
        answer = client.request(method, served.address + path + rest)
    assert answer.status_code in {200, 400, 404, 405, 422}
