"""Seconds that have to fit each other, or requests are lost. Each has its neighbour beside it.

deadline of a request (25) < idle timeout of the load balancer (60) < keep-alive of the service (75)
deadline (25) <= deregistration delay (30): what is under way when a task leaves may finish
drain (10) + finish (30) + 2 < stop timeout (60): the service has left before it is killed; Fargate allows 120
"""

from __future__ import annotations

DEADLINE = 25
IDLE_TIMEOUT = 60
KEEP_ALIVE = 75
DEREGISTRATION = 30
DRAIN = 10
GRACEFUL = 30
STOP = 60
HEALTH_INTERVAL = 10
HEALTH_TIMEOUT = 5
HEALTH_GRACE = 60
"""Seconds after the start in which a task need not be healthy: at a quarter of a vCPU the start takes about five."""
