"""The chart as Helm renders it: right by Kubernetes' schemas, locked down, and divided by its limits alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from helm_python import Chart, HelmError, lint

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "tilery"
KUBERNETES = ("1.29", "1.37")
"""The oldest that the chart takes, and the newest whose schemas there are."""
EVERYTHING: dict[str, Any] = {
    "image": {"repository": "registry.example.com/tilery", "digest": "sha256:" + 64 * "0"},
    "imagePullSecrets": [{"name": "registry"}],
    "sources": ["s3://imagery/cogs/", "/data/"],
    "catalog": "s3://maps/layers/",
    "publicUrl": "https://tiles.example.com",
    "env": {"TILERY_CACHE_CONTROL": "public, max-age=86400", "TILERY_MAX_SIZE": 4096, "TILERY_CHECK": True},
    "envFrom": [{"secretRef": {"name": "keys"}}],
    "accessTokenSecret": "token",
    "gracefulTimeout": 60,
    "metrics": {"port": 9090},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "host": "tiles.example.com",
        "tlsSecret": "certificate",
        "annotations": {"a": "b"},
    },
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/tiles"}},
    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "rasters", "readOnly": True}}],
    "volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": True}],
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "tiles", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
FEWEST: dict[str, Any] = {
    "autoscaling": {"enabled": False},
    "podDisruptionBudget": {"enabled": False},
    "serviceAccount": {"create": False},
    "replicas": 1,
}
VARIANTS: dict[str, dict[str, Any]] = {"plain": {}, "everything": EVERYTHING, "fewest": FEWEST}
EVERY = pytest.mark.parametrize("name", VARIANTS)


def rendered(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the resources by kind."""
    with Chart.load(CHART) as chart:
        files = chart.render(values, name="maps", namespace="tiles")
    documents = [document for text in files.values() for document in yaml.safe_load_all(text) if document]
    found = {document["kind"]: document for document in documents}
    assert len(found) == len(documents)
    return found


def pod(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = rendered(values)["Deployment"]["spec"]["template"]["spec"]
    return found


def variables(values: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in pod(values)["containers"][0]["env"]}


@EVERY
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_it(name: str, version: str) -> None:
    for resource in rendered(VARIANTS[name]).values():
        kubernetes_validate.validate(resource, version, strict=True)


@EVERY
def test_helm_finds_nothing_wrong(name: str) -> None:
    report = lint(CHART, VARIANTS[name])
    assert report["errors"] == []
    assert [m for m in report["messages"] if m["severity"] > 1] == []


def test_the_schemas_are_looked_at() -> None:
    deployment = rendered({})["Deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES[1], strict=True)


def test_each_part_comes_when_it_is_asked_for() -> None:
    always = {"Deployment", "Service"}
    assert set(rendered(FEWEST)) == always
    assert set(rendered({})) == always | {"HorizontalPodAutoscaler", "PodDisruptionBudget", "ServiceAccount"}
    assert "Ingress" in rendered(EVERYTHING)


@EVERY
def test_a_pod_is_locked_down(name: str) -> None:
    spec = pod(VARIANTS[name])
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 10001, "the image's own"
    assert spec["automountServiceAccountToken"] is False
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@EVERY
def test_its_limits_divide_it_and_nothing_else_does(name: str) -> None:
    (container,) = pod(VARIANTS[name])["containers"]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests["memory"] == limits["memory"], "what is not reserved is what a node takes back"
    assert not {"WEB_CONCURRENCY", "WORKERS_PER_CORE", "MAX_WORKERS"} & set(variables(VARIANTS[name]))


@EVERY
def test_it_lives_and_is_ready_by_different_words_and_leaves_in_time(name: str) -> None:
    spec = pod(VARIANTS[name])
    (container,) = spec["containers"]
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    known = variables(VARIANTS[name])
    finish = int(known["DRAIN_DELAY"]) + int(known["GRACEFUL_TIMEOUT"])
    assert finish < spec["terminationGracePeriodSeconds"], "or it is killed with requests under way"


def test_values_arrive_as_texts() -> None:
    known = variables(EVERYTHING)
    assert known["TILERY_SOURCES"] == "s3://imagery/cogs/,/data/"
    assert known["TILERY_MAX_SIZE"] == "4096"
    assert known["TILERY_CHECK"] == "true"
    assert known["TILERY_ACCESS_TOKEN"] == {"secretKeyRef": {"name": "token", "key": "token"}}
    assert pod(EVERYTHING)["containers"][0]["image"] == "registry.example.com/tilery@sha256:" + 64 * "0"


def test_prometheus_reaches_a_pod_and_nobody_else_does_so_through_the_service() -> None:
    known = variables(EVERYTHING)
    assert known["TILERY_METRICS_PORT"] == "9090"
    assert known["TILERY_METRICS_HOST"] == {"fieldRef": {"fieldPath": "status.podIP"}}
    (container,) = pod(EVERYTHING)["containers"]
    assert {"name": "metrics", "containerPort": 9090} in container["ports"]
    assert [port["targetPort"] for port in rendered(EVERYTHING)["Service"]["spec"]["ports"]] == ["http"]
    assert not {"TILERY_METRICS_PORT", "TILERY_METRICS_HOST"} & set(variables({}))


def test_scaling_decides_how_many_there_are() -> None:
    assert "replicas" not in rendered({})["Deployment"]["spec"], "an upgrade must not undo what scaling did"
    scaler = rendered({"autoscaling": {"maxReplicas": 7}})["HorizontalPodAutoscaler"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 7)
    assert scaler["scaleTargetRef"]["name"] == rendered({})["Deployment"]["metadata"]["name"]
    assert rendered(FEWEST)["Deployment"]["spec"]["replicas"] == 1


def test_the_service_and_the_budget_find_the_pods() -> None:
    resources = rendered({})
    labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"].items()
    assert resources["Service"]["spec"]["selector"].items() <= labels
    assert resources["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"].items() <= labels


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(HelmError, match=r"ingress\.host is needed"):
        rendered({"ingress": {"enabled": True}})
