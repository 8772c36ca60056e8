"""The AWS command line, as far as this project's scripts call it: for machines that have boto3 and no ``aws``.

    aws cloudformation describe-stacks --stack-name mytiler-lambda-dev --output json

Any service and any operation whose parameters are texts; the endpoint comes from ``AWS_ENDPOINT_URL``, as in the real
one.
"""

import json
import sys

import boto3
from botocore.exceptions import ClientError


def main() -> None:
    service, operation, *words = sys.argv[1:]
    pairs = dict(zip(words[::2], words[1::2], strict=True))
    pairs.pop("--output", None)
    named = {"".join(part.title() for part in name[2:].split("-")): value for name, value in pairs.items()}
    client = boto3.client({"deploy": "codedeploy"}.get(service, service))
    try:
        answer = getattr(client, operation.replace("-", "_"))(**named)
    except ClientError as problem:
        sys.exit(str(problem))
    answer.pop("ResponseMetadata", None)
    print(json.dumps(answer, default=str))


if __name__ == "__main__":
    main()
