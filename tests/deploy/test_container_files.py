"""The container files hold together: what they name is there, and nothing in them runs as root."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.running import REPOSITORY

COMPOSE = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
VALUES = yaml.safe_load((REPOSITORY / "deploy" / "kuberay.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# What the compose specification has for a service, of what is used here.
KEYS = {
    *("image", "build", "restart", "user", "security_opt", "cap_drop", "shm_size", "volumes"),
    *("secrets", "environment", "command", "healthcheck", "depends_on", "deploy", "ports"),
    "stop_grace_period",
}
# What KubeRay's chart `ray-cluster` has for a group of nodes, of what is used here.
CHART = {
    *("rayVersion", "rayStartParams", "containerEnv", "resources", "replicas"),
    *("podSecurityContext", "volumes", "volumeMounts"),
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_healthy_unprivileged_and_complete(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= KEYS
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    if "build" not in service:
        assert service["user"] not in {"root", "0"}
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])
    named = [one.partition(":")[0] for one in service["volumes"] if one[0].isalpha()]
    assert set(named) <= set(COMPOSE["volumes"])
    for other, condition in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert condition == {"condition": "service_healthy"}


def test_secrets_are_files_and_every_path_to_one_is_mounted() -> None:
    for service in SERVICES.values():
        paths = [one for one in service["environment"].values() if one.startswith("/run/secrets/")]
        assert paths
        assert {path.removeprefix("/run/secrets/") for path in paths} == set(service["secrets"])
        assert not any(re.search("password|token", str(one)) for one in service.get("command", []))
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_only_loopback_is_published() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8642:8642"]


def test_the_image_runs_as_a_user_and_copies_what_is_there() -> None:
    stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER cuvee$", stage, re.MULTILINE)
    assert not re.search(r"^USER (root|0)", stage, re.MULTILINE)
    for source in re.findall(r"^COPY (?:--chmod=\d+ )?([^-\s]\S*) ", DOCKERFILE, re.MULTILINE):
        assert (REPOSITORY / source).exists(), source


@pytest.mark.parametrize("script", ["entrypoint.sh", "serve.sh"])
def test_scripts_are_shell(script: str) -> None:
    subprocess.run(["sh", "-n", REPOSITORY / "deploy" / script], check=True)


def test_the_entry_point_hands_the_password_on_by_the_environment_alone(tmp_path: Any) -> None:
    secret = tmp_path / "password"
    secret.write_text("of the database")
    answer = subprocess.run(
        ["sh", REPOSITORY / "deploy" / "entrypoint.sh", "sh", "-c", 'printf %s "$PGPASSWORD"'],
        env={"POSTGRES_PASSWORD_FILE": str(secret), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert answer.stdout == "of the database"


def test_kubernetes_mounts_what_compose_mounts_and_runs_no_root() -> None:
    for group in ("head", "worker"):
        values = VALUES[group]
        volumes = {volume["name"] for volume in values["volumes"]}
        assert {mount["name"] for mount in values["volumeMounts"]} == volumes
        assert {mount["mountPath"] for mount in values["volumeMounts"]} >= {"/data", "/models"}
        assert values["podSecurityContext"]["runAsNonRoot"]
        assert {one["name"] for one in values["containerEnv"]} >= {"RAY_AUTH_MODE"}
        # Names of values that the chart's own tests set.
        assert set(values) <= CHART


def test_kubernetes_knows_ray_and_can_probe_it() -> None:
    constraints = (REPOSITORY / "constraints.txt").read_text()
    assert f"ray=={VALUES['head']['rayVersion']}" in constraints.split()
    installed = re.search(r"apt-get install (.*) \\$", DOCKERFILE, re.MULTILINE)
    assert installed is not None
    assert "wget" in installed.group(1).split()
    assert "ln -s /opt/cuvee/bin/ray /usr/local/bin/ray" in DOCKERFILE
