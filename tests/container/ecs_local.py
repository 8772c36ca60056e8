"""An ECS service behind an ALB, made real on this machine from a deployed stack.

Reads the task definition, service, target group and load balancer that `cdk
deploy` left in the emulator (aws_emulator.py, GET /_resources, or a saved JSON
file of it), runs the tasks as containers with their CPU and memory limits, and
puts HAProxy in the ALB's place: round robin, the target group's health check,
the ALB's idle timeout, kept-alive connections to targets, no retries (an ALB
answers 502 when a target closes a connection under a request).

    python ecs_local.py --stack NAME [--resources URL|FILE] [--image IMAGE] [--port 8088]
        [--tasks N] [--env K=V ...] [--docker-arg=ARG ...]
        [--load PATH --seconds 20 --connections 8]      wrk on it (loopback only)
        [--roll [--order drain|abrupt|unaware]]          a rolling replacement meanwhile

Without --load it serves until interrupted. A replacement goes as ECS does it:
new tasks up to MaximumPercent, each healthy in the load balancer, then every
old one deregistered (draining until idle, or the deregistration delay), SIGTERM,
SIGKILL after stopTimeout. --order abrupt sends SIGTERM at once with the
deregistration, as a StopTask or a Spot interruption may; --order unaware sends
it before the balancer knows anything, which only an application that goes on
serving for some seconds after SIGTERM survives.
Prints one JSON line: what wrk counted, and what the containers' exits were.
Needs: docker (or ENGINE=podman), haproxy, wrk.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENGINE = os.environ.get("ENGINE", "docker")
SLOTS = 12


def sh(*args: str, check: bool = True) -> str:
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{' '.join(args)}: {done.stderr.strip()[-800:]}")
    return done.stdout.strip()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Spec:
    def __init__(self, resources: dict[str, Any], stack: str) -> None:
        found = resources[stack].values() if stack in resources else resources.values()
        by_type: dict[str, list[dict[str, Any]]] = {}
        for r in found:
            by_type.setdefault(r["Type"], []).append(r["Properties"])
        task = by_type["AWS::ECS::TaskDefinition"][0]
        service = by_type["AWS::ECS::Service"][0]
        group = by_type["AWS::ElasticLoadBalancingV2::TargetGroup"][0]
        balancer = by_type["AWS::ElasticLoadBalancingV2::LoadBalancer"][0]
        container = task["ContainerDefinitions"][0]
        attrs = {a["Key"]: a["Value"] for a in group.get("TargetGroupAttributes", [])}
        lb_attrs = {a["Key"]: a["Value"] for a in balancer.get("LoadBalancerAttributes", [])}
        deployment = service.get("DeploymentConfiguration", {})
        self.image = container["Image"]
        self.port = int(container["PortMappings"][0]["ContainerPort"])
        self.env = {e["Name"]: e["Value"] for e in container.get("Environment", [])}
        self.command = container.get("Command")
        self.stop_timeout = int(container.get("StopTimeout", 30))
        self.cpu, self.memory = int(task["Cpu"]) / 1024, int(task["Memory"])
        self.desired = int(service.get("DesiredCount", 1))
        self.maximum = int(deployment.get("MaximumPercent", 200))
        self.grace = int(service.get("HealthCheckGracePeriodSeconds", 0))
        self.path = group.get("HealthCheckPath", "/")
        self.interval = int(group.get("HealthCheckIntervalSeconds", 30))
        self.timeout = int(group.get("HealthCheckTimeoutSeconds", 5))
        self.rise = int(group.get("HealthyThresholdCount", 5))
        self.fall = int(group.get("UnhealthyThresholdCount", 2))
        self.matcher = group.get("Matcher", {}).get("HttpCode", "200")
        self.delay = int(attrs.get("deregistration_delay.timeout_seconds", 300))
        self.idle = int(lb_attrs.get("idle_timeout.timeout_seconds", 60))


class Balancer:
    def __init__(self, spec: Spec, port: int) -> None:
        self.dir = tempfile.mkdtemp(prefix="ecs-local-")
        self.sock, log = f"{self.dir}/admin.sock", f"{self.dir}/log.sock"
        self.bad: list[str] = []  # the answers the balancer itself made, or passed on, that were not 2xx/3xx
        self.log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.log.bind(log)
        threading.Thread(target=self.read_log, daemon=True).start()
        with Path(f"{self.dir}/haproxy.cfg").open("w") as f:
            f.write(f"""global
    stats socket {self.sock} mode 600 level admin
    nbthread 1
defaults
    mode http
    timeout connect 10s
    timeout client {spec.idle}s
    timeout http-keep-alive {spec.idle}s
    timeout server {spec.idle}s
    timeout check {spec.timeout}s
    retries 0
    http-reuse always
    option forwardfor
    log {log} format raw local0
    option httplog
frontend alb
    bind 127.0.0.1:{port}
    default_backend targets
backend targets
    balance roundrobin
    option httpchk GET {spec.path}
    http-check expect status {spec.matcher.replace(",", " ").split()[0]}
    server-template t 1-{SLOTS} 127.0.0.1:9 check inter {spec.interval}s rise {spec.rise} fall {spec.fall} disabled
""")
        self.process = subprocess.Popen(["haproxy", "-q", "-db", "-f", f"{self.dir}/haproxy.cfg"])
        for _ in range(50):
            if Path(self.sock).exists():
                return
            time.sleep(0.1)
        raise SystemExit("haproxy did not start")

    def read_log(self) -> None:
        while True:
            line = self.log.recv(8192).decode(errors="replace")
            m = re.search(r"targets/(\S+) \S+ (\d+) \S+ \S+ \S+ (\S+) ", line)
            if m and m[2][0] not in "23":
                self.bad.append(f"{m[2]} {m[1]} {m[3]}")

    def ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.sock)
            s.sendall(command.encode() + b"\n")
            return b"".join(iter(lambda: s.recv(65536), b"")).decode()

    def stats(self) -> dict[str, dict[str, str]]:
        rows = [line.split(",") for line in self.ask("show stat").splitlines() if line]
        head = [h.lstrip("# ") for h in rows[0]]
        return {r[1]: dict(zip(head, r, strict=False)) for r in rows[1:] if r[0] == "targets"}

    def register(self, slot: int, port: int) -> None:
        # leaving maintenance makes a server UP: by way of drain, it is given no
        # traffic before its checks have passed
        for command in (f"addr 127.0.0.1 port {port}", "state drain", "health down", "state ready"):
            self.ask(f"set server targets/t{slot} {command}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


class Service:
    def __init__(self, args: argparse.Namespace, spec: Spec) -> None:
        self.args, self.spec = args, spec
        self.balancer = Balancer(spec, args.port)
        self.tasks: dict[int, str] = {}
        self.exits: list[dict[str, float]] = []
        self.n = 0

    def start_task(self) -> int:
        slot = next(s for s in range(1, SLOTS + 1) if s not in self.tasks)
        port, self.n = free_port(), self.n + 1
        spec, env = self.spec, dict(self.spec.env)
        env.update(e.partition("=")[::2] for e in self.args.env)
        name = f"ecs-local-{os.getpid()}-{self.n}"
        command = [
            ENGINE,
            "run",
            "-d",
            "--name",
            name,
            "-p",
            f"127.0.0.1:{port}:{spec.port}",
            "--cpus",
            str(spec.cpu),
            "--memory",
            f"{spec.memory}m",
            "--memory-swap",
            f"{spec.memory}m",
            "--add-host",
            "host.docker.internal:host-gateway",
        ]
        for k, v in env.items():
            command += ["-e", f"{k}={v}"]
        sh(*command, *self.args.docker_arg, self.args.image or spec.image, *(spec.command or []))
        self.tasks[slot] = name
        self.balancer.register(slot, port)
        return slot

    def wait_healthy(self, slots: list[int]) -> float:
        begin = time.monotonic()
        limit = begin + max(self.spec.grace, 30) + 10 * self.spec.interval
        while time.monotonic() < limit:
            stats = self.balancer.stats()
            if all(stats[f"t{s}"]["status"] == "UP" for s in slots):
                return time.monotonic() - begin
            for s in slots:
                if sh(ENGINE, "inspect", "-f", "{{.State.Running}}", self.tasks[s]) != "true":
                    raise SystemExit(f"a task died: {sh(ENGINE, 'logs', '--tail', '30', self.tasks[s])}")
            time.sleep(0.2)
        raise SystemExit("tasks did not become healthy")

    def stop_task(self, slot: int, order: str) -> None:
        name = self.tasks[slot]
        if order != "unaware":
            self.balancer.ask(f"set server targets/t{slot} state drain")
        if order == "drain":
            limit = time.monotonic() + self.spec.delay
            while time.monotonic() < limit and int(self.balancer.stats()[f"t{slot}"]["scur"]):
                time.sleep(0.1)
        begin = time.monotonic()
        sh(ENGINE, "stop", "-t", str(self.spec.stop_timeout), name)
        self.exits.append(
            {
                "code": int(sh(ENGINE, "inspect", "-f", "{{.State.ExitCode}}", name)),
                "seconds": round(time.monotonic() - begin, 2),
            }
        )
        self.balancer.ask(f"set server targets/t{slot} state maint")
        sh(ENGINE, "rm", "-f", name)
        del self.tasks[slot]

    def roll(self, order: str) -> None:
        old = list(self.tasks)
        room = max(1, len(old) * self.spec.maximum // 100 - len(old))
        while old:
            batch, old = old[:room], old[room:]
            self.wait_healthy([self.start_task() for _ in batch])
            for slot in batch:
                self.stop_task(slot, order)

    def close(self) -> None:
        for name in self.tasks.values():
            sh(ENGINE, "rm", "-f", name, check=False)
        self.balancer.close()


def wrk(args: argparse.Namespace) -> Callable[[], dict[str, Any]]:
    out = subprocess.Popen(
        [
            "wrk",
            "-t1",
            f"-c{args.connections}",
            f"-d{args.seconds}s",
            "--timeout",
            "30s",
            "--latency",
            f"http://127.0.0.1:{args.port}{args.load}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )

    def result() -> dict[str, Any]:
        text = out.communicate()[0]

        def grab(pattern: str) -> str:
            found = re.search(pattern, text)
            return found[1] if found else "0"

        errors = re.search(r"Socket errors: (.*)", text)
        return {
            "requests": int(grab(r"(\d+) requests in")),
            "per_s": float(grab(r"Requests/sec:\s+([\d.]+)")),
            "p50": grab(r"\n\s+50%\s+(\S+)"),
            "p99": grab(r"\n\s+99%\s+(\S+)"),
            "non_2xx": int(grab(r"Non-2xx or 3xx responses: (\d+)")),
            "socket_errors": errors[1] if errors else None,
        }

    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", default="http://127.0.0.1:5555/_resources")
    parser.add_argument("--stack", required=True)
    parser.add_argument("--image")
    parser.add_argument("--port", type=int, default=8088)
    parser.add_argument("--tasks", type=int)
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--docker-arg", action="append", default=[])
    parser.add_argument("--load")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--roll", action="store_true")
    parser.add_argument("--order", choices=["drain", "abrupt", "unaware"], default="drain")
    parser.add_argument(
        "--interval", type=int, help="health check interval instead of the target group's, to save time"
    )
    args = parser.parse_args()
    if "://" in args.resources:
        resources = json.load(urllib.request.urlopen(args.resources))
    else:
        resources = json.loads(Path(args.resources).read_text())
    spec = Spec(resources, args.stack)
    spec.interval = args.interval or spec.interval
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    service = Service(args, spec)
    try:
        healthy = service.wait_healthy([service.start_task() for _ in range(args.tasks or spec.desired)])
        print(
            f"{len(service.tasks)} tasks ({spec.cpu} vCPU, {spec.memory} MiB) healthy after {healthy:.1f}s on http://127.0.0.1:{args.port}",
            flush=True,
        )
        if not args.load:
            while True:
                time.sleep(1)
        result = wrk(args)
        if args.roll:
            time.sleep(3)
            begin = time.monotonic()
            service.roll(args.order)
            rolled = round(time.monotonic() - begin, 1)
        found = result()
        if (
            service.balancer.bad
        ):  # status, target, HAProxy's termination state: SH-- is the target's close under a request
            found["bad"] = dict(collections.Counter(service.balancer.bad))
        print(
            json.dumps(
                found | ({"rolled_s": rolled, "order": args.order, "exits": service.exits} if args.roll else {})
            ),
            flush=True,
        )
    except KeyboardInterrupt:
        pass
    finally:
        service.close()


if __name__ == "__main__":
    main()
