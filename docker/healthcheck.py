"""Asks the service in this container whether it is well. Exit status 0 when it says 200; run with ``python -IS``."""

import os
import socket
import sys

try:
    with socket.create_connection(("127.0.0.1", int(os.environ.get("PORT") or "80")), timeout=4) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        sys.exit(0 if connection.recv(12).endswith(b"200") else 1)
except OSError:
    sys.exit(1)
