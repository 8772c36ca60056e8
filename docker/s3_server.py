"""An S3 server with a bucket ``maps`` and in it ``incoming/blue-marble.jpg``, for docker-compose.yml.

moto keeps everything in memory and is correct rather than fast: good enough to see a map, and to see it refused.
"""

import signal
import sys
import urllib.request
from pathlib import Path

PORT = 9000
BUCKET = "maps"
KEY = "incoming/blue-marble.jpg"


def check() -> int:
    """0 when the picture can be had."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/{BUCKET}/{KEY}", timeout=4) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


def main() -> int:
    """Serve until a signal ends it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("0.0.0.0", PORT, verbose=False)  # noqa: S104 - in the network of the compose file
    server.start()
    store = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{PORT}",
        region_name="us-east-1",
        aws_access_key_id="sample",
        aws_secret_access_key="sample",  # noqa: S106 - moto takes any
    )
    store.create_bucket(Bucket=BUCKET, ACL="public-read")
    picture = Path(__file__).with_name("bmng.jpg").read_bytes()
    store.put_object(Bucket=BUCKET, Key=KEY, Body=picture, ContentType="image/jpeg", ACL="public-read")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(check() if "--check" in sys.argv else main())
