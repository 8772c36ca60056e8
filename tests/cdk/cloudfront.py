"""CloudFront, as a template describes it: what of a request makes the key, and what reaches the service.

Sources: the CloudFront developer guide, "Understand cache policies", "Understand origin request policies", "Add or
remove HTTP headers in responses" and "CloudFront Functions event structure". What is in the cache policy makes the key
and is sent on; what is in the origin request policy is sent on; everything else a caller sent stays at the edge.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tests.cdk.support import Template

ALWAYS = {"host", "user-agent", "x-forwarded-for", "via"}
"""Headers that CloudFront sends in any case, with values of its own."""


@dataclass(frozen=True)
class Seen:
    """What becomes of a request."""

    pattern: str
    origin: str
    key: tuple[Any, ...]
    headers: dict[str, str]
    path: str
    query: str
    cors: dict[str, Any] | None


class CloudFront:
    """The only distribution of a template."""

    def __init__(self, template: Template) -> None:
        self.resources = template.whole["Resources"]
        self.config = template.one("CloudFront::Distribution")["DistributionConfig"]
        self.behaviours = [*self.config.get("CacheBehaviors", []), {"PathPattern": "*"} | self._default()]

    def _default(self) -> dict[str, Any]:
        found: dict[str, Any] = self.config["DefaultCacheBehavior"]
        return found

    def _of(self, reference: dict[str, Any] | None) -> dict[str, Any]:
        """Return the properties of the resource that is named."""
        if reference is None:
            return {}
        name = reference["Ref"] if "Ref" in reference else reference["Fn::GetAtt"][0]
        found: dict[str, Any] = self.resources[name]["Properties"]
        return found

    def ask(self, path: str, query: str = "", method: str = "GET", ip: str = "203.0.113.9", **headers: str) -> Seen:
        """Return a request of a viewer; headers are written with ``_`` for ``-``."""
        sent = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        sent.setdefault("host", "d1.cloudfront.net")
        behaviour = next(b for b in self.behaviours if fnmatch.fnmatchcase(path, b["PathPattern"].replace("[", "[[]")))
        assert method in behaviour["AllowedMethods"], "403: this distribution allows only cachable requests"
        uri, query, sent = self._function(behaviour, method, path, query, ip, sent)
        key = self._of(behaviour["CachePolicyId"])["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
        assert key["QueryStringsConfig"]["QueryStringBehavior"] == "all"
        names = {name.lower() for name in key["HeadersConfig"].get("Headers", [])}
        more = self._of(behaviour.get("OriginRequestPolicyId")).get("OriginRequestPolicyConfig", {})
        handed_on = {name.lower() for name in more.get("HeadersConfig", {}).get("Headers", [])}
        of_key = tuple(sorted((name, sent[name]) for name in names & sent.keys()))
        told = self._of(behaviour.get("ResponseHeadersPolicyId")).get("ResponseHeadersPolicyConfig", {})
        return Seen(
            pattern=behaviour["PathPattern"],
            origin=behaviour["TargetOriginId"],
            key=(uri, query, of_key),
            headers={name: value for name, value in sent.items() if name in names | handed_on},
            path=uri,
            query=query,
            cors=told.get("CorsConfig"),
        )

    def _function(
        self, behaviour: dict[str, Any], method: str, path: str, query: str, ip: str, headers: dict[str, str]
    ) -> tuple[str, str, dict[str, str]]:
        """Return what the function at the edge makes of it."""
        (association,) = behaviour["FunctionAssociations"]
        assert association["EventType"] == "viewer-request"
        code = self._of(association["FunctionARN"])["FunctionCode"]
        assert len(code.encode()) < 10_240, "CloudFront's limit for a function"
        values: dict[str, Any] = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            values.setdefault(name, {"value": value, "multiValue": []})["multiValue"].append({"value": value})
        event = {
            "viewer": {"ip": ip},
            "request": {
                "method": method,
                "uri": path,
                "querystring": values,
                "headers": {name: {"value": value} for name, value in headers.items()},
            },
        }
        run = f"{code}\nconsole.log(JSON.stringify(handler({json.dumps(event)})))"
        done = json.loads(subprocess.run(["node", "-e", run], capture_output=True, text=True, check=True).stdout)
        pairs = [
            (name, each["value"])
            for name, value in done["querystring"].items()
            for each in value.get("multiValue") or [value]
        ]
        return done["uri"], urlencode(pairs), {name: value["value"] for name, value in done["headers"].items()}
