"""Names of the metrics that the service writes into its log (`app/observing/emf.py`), all in this one place."""

from __future__ import annotations

VARIABLE = "TILERY_EMF_NAMESPACE"
"""Tells the service to write those lines."""
NAMESPACE = "Tilery"
RECYCLES, QUEUE, RENDERS, HITS, LATENCY = "Recycles", "QueueLength", "Renders", "CacheHits", "RequestP99"
DENIED, BUSY = "SourceDenied", "Busy"
FIELDS = {DENIED: "tilery_problems_total_source_denied", BUSY: "tilery_problems_total_busy"}
"""Metrics that are made of fields, and the fields."""
EMITTED = 17
"""Metrics that the service itself names, which is what CloudWatch bills."""
