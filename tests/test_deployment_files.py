"""Dockerfile, compose.yaml, the values for Helm and the units of systemd: what they name exists, and they agree."""

import configparser
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dockerfile import copied_from_here, image_environment, is_ignored, of_image, read_dockerfile
from tests.paths import PROJECT_ROOT

DOCKERFILE = read_dockerfile()
DEPLOY = PROJECT_ROOT / "deploy"
PACKAGED = PROJECT_ROOT / "linkt_pipeline" / "packaged"


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SERVICES = read_yaml(PROJECT_ROOT / "compose.yaml")["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SOURCES = [source for _, sources, _ in copied_from_here(DOCKERFILE) for source in sources]


def packages(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)==", (PROJECT_ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))


# --- the image


@pytest.mark.parametrize("source", SOURCES)
def test_what_the_image_copies_exists_and_is_sent_to_the_builder(source: str) -> None:
    path = PROJECT_ROOT / source
    assert path.exists()
    files = [path] if path.is_file() else [file for file in path.rglob("*") if "__pycache__" not in file.parts]
    assert [file for file in files if is_ignored(str(file.relative_to(PROJECT_ROOT)))] == []


def test_what_the_package_links_to_is_copied_too() -> None:
    links = [path.resolve().relative_to(PROJECT_ROOT) for path in PACKAGED.iterdir() if path.is_symlink()]
    assert links
    assert {str(link) for link in links} <= set(SOURCES)


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        "tasks.yaml",
        "data/warehouse.duckdb",
        "linkt_pipeline/__pycache__/x.pyc",
        "tests/paths.py",
    ],
)
def test_the_builder_never_sees_data_keys_or_history(path: str) -> None:
    assert is_ignored(path)


def test_every_package_comes_from_a_lock_with_hashes() -> None:
    installs = [
        command
        for one in DOCKERFILE
        if one.name == "RUN"
        for command in one.text.split("&&")
        if re.search(r"\bpip\b.*\binstall\b", command)
    ]
    assert len(installs) == 3
    for command in installs:
        options = set(shlex.split(command))
        assert "--require-hashes" in options or {"--no-deps", "--no-index"} <= options, command


def test_no_build_tool_is_left_in_the_image() -> None:
    text = " ".join(one.text for one in of_image(DOCKERFILE, "RUN"))
    [removed] = re.findall(r"pip uninstall ([^&]*)", text)
    assert {"pip", "setuptools", "wheel"} <= set(removed.split())
    [added] = re.findall(r"apt-get install ([^&]*)", text)
    assert {word for word in added.split() if not word.startswith("-")} == {"tini"}
    assert (
        packages("requirements-postgres.lock") & (packages("requirements-build.lock") - {"packaging", "tomlkit"})
        == set()
    )
    assert {"dagster-postgres", "psycopg2-binary"} <= packages("requirements-postgres.lock")


def test_the_image_runs_as_an_ordinary_user_from_a_read_only_root() -> None:
    user, group = of_image(DOCKERFILE, "USER")[-1].text.split(":")
    assert int(user) > 0
    assert int(group) > 0
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "user" not in service


def test_the_image_by_itself_is_the_code_server_of_compose() -> None:
    code = SERVICES["code"]
    assert of_image(DOCKERFILE, "CMD")[-1].words == code["command"]
    [check] = of_image(DOCKERFILE, "HEALTHCHECK")
    assert check.text.partition(" CMD ")[2].replace('"', "").strip("[]").split(", ") == code["healthcheck"]["test"][1:]
    assert {service["working_dir"] for service in OURS.values()} == {of_image(DOCKERFILE, "WORKDIR")[-1].text}


# --- compose.yaml


def test_the_code_server_alone_has_the_key_and_the_data() -> None:
    assert [name for name, service in OURS.items() if "env_file" in service] == ["code"]
    assert [name for name, service in OURS.items() if "volumes" in service] == ["code"]
    data, project = SERVICES["code"]["volumes"]
    assert data == f"data:{image_environment(DOCKERFILE)['LINKT_DATA_DIR']}"
    assert project.endswith(":/project:ro")


def test_the_web_server_is_guarded_and_reachable_from_this_machine_alone() -> None:
    assert {name for name, service in SERVICES.items() if "ports" in service} == {"webserver"}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["webserver"]["ports"])
    assert "linkt_pipeline.cli.webserver" in SERVICES["webserver"]["command"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_service_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_instance_is_that_of_a_single_machine_but_for_its_storage() -> None:
    single, composed = read_yaml(PROJECT_ROOT / "data" / "dagster.yaml"), read_yaml(DEPLOY / "dagster.yaml")
    assert {key: composed[key] for key in single if key != "run_retries"} == {
        key: single[key] for key in single if key != "run_retries"
    }
    assert set(composed) - set(single) == {"storage", "compute_logs", "run_launcher"}
    named = re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text() + (DEPLOY / "workspace.yaml").read_text())
    for service in OURS.values():
        assert set(named) <= set(service["environment"])


def test_dagster_repeats_what_was_stopped_and_nothing_that_failed() -> None:
    daemon = read_yaml(DEPLOY / "kubernetes" / "values.yaml")["dagsterDaemon"]
    retries = read_yaml(DEPLOY / "dagster.yaml")["run_retries"]
    assert retries.pop("retry_on_asset_or_op_failure") is daemon["runRetries"].pop("retryOnAssetOrOpFailure") is False
    assert list(retries.values()) == list(daemon["runRetries"].values())


# --- Kubernetes


def test_the_values_for_helm_say_where_key_and_data_come_from() -> None:
    values = read_yaml(DEPLOY / "kubernetes" / "values.yaml")
    [code] = values["dagster-user-deployments"]["deployments"]
    volumes = {volume["name"]: volume for volume in code["volumes"]}
    mounts = {mount["mountPath"]: mount for mount in code["volumeMounts"]}
    assert "persistentVolumeClaim" in volumes[mounts[code["env"]["LINKT_DATA_DIR"]]["name"]]
    assert code["env"]["LINKT_DATA_DIR"] == image_environment(DOCKERFILE)["LINKT_DATA_DIR"]
    assert mounts[str(Path(code["env"]["LINKT_TASKS_FILE"]).parent)]["readOnly"] is True
    assert "emptyDir" in volumes[mounts["/tmp"]["name"]]
    assert {mount["name"] for mount in code["volumeMounts"]} == set(volumes)
    assert code["envSecrets"]
    assert "LINKT_API_KEY" not in code["env"]
    assert code["includeConfigInLaunchedRuns"]["enabled"] is True
    command = SERVICES["code"]["command"]
    assert code["dagsterApiGrpcArgs"][:2] == command[command.index("--module-name") :][:2]


def test_runs_on_kubernetes_are_confined_like_the_code_server_and_share_its_node() -> None:
    values = read_yaml(DEPLOY / "kubernetes" / "values.yaml")
    [code] = values["dagster-user-deployments"]["deployments"]
    run = values["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]
    assert run["podSpecConfig"]["nodeSelector"] == code["nodeSelector"]
    assert run["podSpecConfig"]["securityContext"] == code["podSecurityContext"]
    assert run["containerConfig"]["securityContext"] == code["securityContext"]
    assert code["deploymentStrategy"] == {"type": "Recreate"}
    assert code["podSecurityContext"]["runAsUser"] == int(of_image(DOCKERFILE, "USER")[-1].text.split(":")[0])
    assert (
        values["postgresql"]["postgresqlScheme"]
        == read_yaml(DEPLOY / "dagster.yaml")["storage"]["postgres"]["postgres_db"]["scheme"]
    )
    # The image has no dagster-k8s, which an instance that resumes runs would load.
    assert values["dagsterDaemon"]["runMonitoring"]["maxResumeRunAttempts"] == 0


# --- systemd


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_a_unit_of_systemd_runs_the_command_of_compose(name: str) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "systemd" / f"linkt-{name}.service")
    service = unit["Service"]
    program, *arguments = service["ExecStart"].split()
    assert [Path(program).name, *arguments] == [
        "127.0.0.1" if word == "0.0.0.0" else word for word in SERVICES[name]["command"]
    ]
    assert program.startswith("/opt/linkt/bin/")
    assert int(service["TimeoutStopSec"]) == int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert service["User"] == "linkt"
    assert service["ProtectSystem"] == "strict"


def test_the_environment_of_the_units_names_what_the_instance_reads() -> None:
    text = "".join((DEPLOY / "systemd" / name).read_text() for name in ("environment", "code.environment"))
    given = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert set(SERVICES["code"]["environment"]) <= set(given)
    assert {"DAGSTER_HOME", "LINKT_API_KEY", "LINKT_DATA_DIR"} <= set(given)


# --- locks


@pytest.mark.parametrize("lock", sorted(path.name for path in PROJECT_ROOT.glob("requirements*.lock")))
def test_a_lock_has_a_hash_for_every_package_and_names_no_host(lock: str) -> None:
    text = (PROJECT_ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    blocks = re.split(r"^(?=[\w.\[\]-]+==)", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
