from __future__ import annotations

from fastapi.testclient import TestClient

from app.api import health
from app.main import app


def test_healthz_answers_get_and_head() -> None:
    client = TestClient(app)
    assert "versions" in client.get("/healthz").json()
    assert client.head("/healthz").status_code == 200


def test_versions_are_those_of_the_libraries() -> None:
    assert health._native() == health._native_loaded()
