"""Secrets in the log: there are none."""

from __future__ import annotations

import logging

import pytest

from app.observing import redaction


@pytest.mark.parametrize(
    "text",
    [
        "GET /cog/info?access_token=s3cr3t&url=x HTTP/1.1",
        "GET /cog/info?url=x&access_token=s3cr3t",
        "url=https%3A%2F%2Fh%2Fx.tif%3FX-Amz-Signature%3Ds3cr3t%26X-Amz-Date%3D2020&rescale=0,1",
        "https://h/x.tif?X-Amz-Credential=s3cr3t&x=1",
        "https://h/x.tif?sig=s3cr3t%2Bs3cr3t%3D",
        'request "ACCESS_TOKEN=s3cr3t"',
    ],
)
def test_values_are_hidden_and_the_rest_is_kept(text: str) -> None:
    found = redaction.hidden(text)
    assert "s3cr3t" not in found
    assert "*" in found
    assert found.partition("=")[0] == text.partition("=")[0]
    if "rescale" in text:
        assert found.endswith("&rescale=0,1")


def test_records_are_rewritten(caplog: pytest.LogCaptureFixture) -> None:
    redaction.install("tilery.test")
    redaction.install("tilery.test")
    logger = logging.getLogger("tilery.test")
    with caplog.at_level(logging.INFO, "tilery.test"):
        logger.info('%s - "%s %s" %d', "1.2.3.4", "GET", "/?access_token=s3cr3t", 200)
    assert caplog.records[0].getMessage() == '1.2.3.4 - "GET /?access_token=*" 200'
    assert len(logger.filters) == 1


def test_exceptions_are_rewritten(caplog: pytest.LogCaptureFixture) -> None:
    redaction.install("tilery.test")
    error = ValueError("https://h/x.tif?X-Amz-Signature=s3cr3t")
    logging.getLogger("tilery.test").error("failed", exc_info=error)
    assert "ValueError: https://h/x.tif?X-Amz-Signature=*" in caplog.text
    assert "s3cr3t" not in caplog.text
