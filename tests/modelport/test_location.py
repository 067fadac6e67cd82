import pytest

from modelport.errors import InvalidInput, NotFound
from modelport.model.location import resolve


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "a model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    return folder


@pytest.mark.parametrize("spelled", ["{0}", "{0}/", "{0}/MLmodel", "file://{1}", "file:{0}", "file://localhost{1}"])
def test_every_way_to_name_a_local_model(model, spelled):
    assert resolve(spelled.format(model, str(model).replace(" ", "%20"))) == model.resolve()


def test_relative_paths_and_the_home_directory(model, monkeypatch):
    monkeypatch.chdir(model.parent)
    monkeypatch.setenv("HOME", str(model.parent))
    assert resolve("a model") == resolve("~/a model") == model.resolve()


@pytest.mark.parametrize("uri", ["runs:/1/model", "models:/m/1", "s3://bucket/model", "https://host/model", "dbfs:/m"])
def test_other_schemes_are_refused_by_name(uri):
    with pytest.raises(InvalidInput, match=uri.split(":")[0]) as caught:
        resolve(uri)
    assert "local path" in caught.value.message


def test_a_file_uri_of_another_host_is_refused():
    with pytest.raises(InvalidInput, match="another host"):
        resolve("file://elsewhere/model")


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFound, match="there is no model"):
        resolve(str(tmp_path / "gone"))


def test_a_directory_without_a_model_names_the_models_in_it(model):
    with pytest.raises(NotFound, match="is no model") as caught:
        resolve(str(model.parent))
    assert str(model) in caught.value.hint
