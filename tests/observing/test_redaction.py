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
        "url=https%3A%2F%2Fh%2Fx.tif%3Fwhatever%3Ds3cr3t%26more%3Ds3cr3t&rescale=0,1",
        "resource https://h/x.tif?whatever=s3cr3t&more=s3cr3t",
        "https://proxy/https://h/x.tif?whatever=s3cr3t",
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


@pytest.mark.parametrize(
    "text",
    [
        "https://me:s3cr3t@h/x.tif",
        "url=https%3A%2F%2Fme%3As3cr3t%40h%2Fx.tif",
        "url=https%253A%252F%252Fme%253As3cr3t%2540h%252Fx.tif",
        "Authorization: Bearer s3cr3t",
    ],
)
def test_users_and_bearers_are_hidden(text: str) -> None:
    found = redaction.hidden(text)
    assert "s3cr3t" not in found
    assert "*" in found


def test_an_address_is_named_without_what_is_secret() -> None:
    assert redaction.address("https://me:s3cr3t@h/x.tif?sig=s3cr3t") == "https://*@h/x.tif?*"
    assert redaction.address("s3://bucket/a@2x.tif") == "s3://bucket/a@2x.tif"


def test_arguments_by_name_messages_without_text_and_traces_written_before() -> None:
    hide = redaction.HideSecrets()
    named = logging.LogRecord(
        "a", 20, "a.py", 1, "%(path)s %(status)d", ({"path": "/?sig=s3cr3t", "status": 200},), None
    )
    assert hide.filter(named)
    assert named.getMessage() == "/?sig=* 200"
    answer = {"a": 1}
    thing = logging.makeLogRecord({"msg": answer, "exc_text": "ValueError: sig=s3cr3t"})
    assert hide.filter(thing)
    assert thing.msg is answer
    assert thing.exc_text == "ValueError: sig=*"


def test_exceptions_that_are_part_of_a_message(caplog: pytest.LogCaptureFixture) -> None:
    redaction.install("tilery.test")
    logger = logging.getLogger("tilery.test")
    error = ValueError("https://me:s3cr3t@h/x.tif?sig=s3cr3t")
    logger.error("%s failed: %s", 1, error)
    logger.error("%r", error)
    logger.error(error)
    assert caplog.text.count("https://*@h/x.tif?sig=*") == 3
    assert "s3cr3t" not in caplog.text


def test_what_is_very_long_is_cut() -> None:
    found = redaction.hidden("a" * 9_990 + " sig=s3cr3t" * 1000)
    assert found == "a" * 9_990 + " sig=*"
    assert "s3cr3t" not in found
