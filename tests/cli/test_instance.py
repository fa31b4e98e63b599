"""The Dagster instance of a deployment."""

import os

import pytest

from linkt_pipeline.cli.instance import prepare_instance
from linkt_pipeline.errors import ConfigError
from linkt_pipeline.settings import Settings
from tests.paths import PROJECT_ROOT


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    monkeypatch.delenv("LINKT_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_folder_is_made_and_configured(tmp_path):
    prepare_instance(Settings(data_dir=tmp_path / "new" / "data"))
    home = tmp_path / "new" / "data" / "sandbox"
    assert (home / "dagster.yaml").read_text() == (PROJECT_ROOT / "data" / "dagster.yaml").read_text()
    assert os.environ["DAGSTER_HOME"] == str(home)


def test_a_configuration_of_ones_own_is_kept(tmp_path):
    own = tmp_path / "data" / "sandbox" / "dagster.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("telemetry: {enabled: false}\n")
    prepare_instance(Settings(data_dir=tmp_path / "data"))
    assert own.read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.parametrize("former", ["\n# How long", "\nrun_retries"], ids=["without retention", "changed by a person"])
def test_a_configuration_of_an_earlier_version_gets_what_is_new(tmp_path, former):
    """The file of the last version is this one's without its last part."""
    template = (PROJECT_ROOT / "data" / "dagster.yaml").read_text()
    file = tmp_path / "data" / "sandbox" / "dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(template.partition(former)[0])
    prepare_instance(Settings(data_dir=tmp_path / "data"))
    assert (file.read_text() == template) is (former == "\n# How long")
    assert list(file.parent.glob("*dagster.yaml*")) == [file]


def test_real_and_made_up_runs_have_instances_apart(tmp_path):
    prepare_instance(Settings(data_dir=tmp_path / "data", api_key="sk-real"))
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "data")


def test_a_folder_below_a_file_is_refused_with_its_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"LINKT_DATA_DIR: .*file/data.* can't be written"):
        prepare_instance(Settings(data_dir=tmp_path / "file" / "data"))
