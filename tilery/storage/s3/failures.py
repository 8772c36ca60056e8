"""What obstore's texts mean: it has no types for most of what can go wrong with a bucket."""

from __future__ import annotations

import re

_OF_CREDENTIALS = re.compile(
    r"169\.254\.(169\.254|170\.2\d?)|fd00:ec2:|/latest/(api/token|meta-data)|token file|AssumeRole"
    r"|External (AWS|GCP|Azure) credential provider|no (AWS )?credentials were found",
    re.IGNORECASE,
)
"""What stands in the text where nothing gave credentials: the last place that was asked for them failed."""
_CODES = {
    "NoSuchBucket": "There is no such bucket.",
    "InvalidAccessKeyId": "The store does not know the AWS access key.",
    "SignatureDoesNotMatch": "The AWS secret key does not belong to the access key.",
    "ExpiredToken": "The AWS credentials have expired.",
    "InvalidToken": "The AWS session token is not valid.",
    "TokenRefreshRequired": "The AWS credentials have expired.",
    "RequestTimeTooSkewed": "The clock of this machine is wrong, so that the store takes no request of it.",
}
"""Codes of S3 (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) that say what to mend."""
_CODE = re.compile(rf"<Code>({'|'.join(_CODES)})</Code>")
_NO_WAY = re.compile(r"error sending request|dns error|connection (refused|reset|closed)", re.IGNORECASE)

_OTHER_CLOUD = re.compile(
    r"computeMetadata|metadata\.google|metadata/identity|oauth2|External (GCP|Azure)", re.IGNORECASE
)
_NONE_OF_AWS = "There are no AWS credentials to reach this store with."
_NONE = "There are no credentials to reach this store with."
_WHERE = (
    "none in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, in the profile of ~/.aws, or from a role of this machine; "
    "public buckets need none, with TILERY_S3_ANONYMOUS=1"
)
_WHERE_ELSE = "none in the variables of Google's or Azure's own tools, or from a role of this machine"
_LONGEST = 300


def lacks_credentials(text: str) -> bool:
    """Return whether nothing gave credentials to sign a request with."""
    return _OF_CREDENTIALS.search(text) is not None


def meaning(text: str) -> str | None:
    """Return the sentence that says what is wrong, None where the text is of none of the kinds that can be mended."""
    if lacks_credentials(text):
        return _NONE if _OTHER_CLOUD.search(text) else _NONE_OF_AWS
    if code := _CODE.search(text):
        return _CODES[code[1]]
    return "The store cannot be reached." if _NO_WAY.search(text) else None


def for_operator(text: str) -> str:
    """Return what an operator needs of the text: no dump of obstore's structures, no XML, no address of metadata."""
    if lacks_credentials(text):
        return _WHERE_ELSE if _OTHER_CLOUD.search(text) else _WHERE
    first = re.split(r"\n\n|: <\?xml|<Error>", text, maxsplit=1)[0]
    return first[:_LONGEST].strip()
