"""Reading models."""

import numpy as np
import pytest
import tfengine


def test_frozen_graph(model):
    assert model.inputs == [tfengine.TensorSpec("image", np.dtype("float32"), (None, 8, 8, 1))]
    assert model.outputs == [tfengine.TensorSpec("Identity", np.dtype("float32"), (None, 10))]
    assert model.ops()["Conv2D"] == 5
    assert 300_000 < model.constant_bytes < 2_000_000
    assert "Conv2D" in model.dump()
    assert "image (None, 8, 8, 1)" in repr(model)


def test_saved_model(digits):
    model = tfengine.load_model(digits / "separable_saved_model", tags=["serve"], signature_key="serving_default")
    assert [spec.shape for spec in model.inputs] == [(None, 8, 8, 1)]
    assert [spec.shape for spec in model.outputs] == [(None, 10)]


def test_chosen_outputs(digits):
    model = tfengine.load_model(str(digits / "cnn.pb"), inputs=["image:0"], outputs=["Identity:0"])
    assert len(model.outputs) == 1


def test_missing_file():
    with pytest.raises(tfengine.InvalidArgument, match=r"^'nowhere\.pb': no such file$"):
        tfengine.load_model("nowhere.pb")


def test_malformed_file(tmp_path, digits):
    (tmp_path / "cut.pb").write_bytes((digits / "cnn.pb").read_bytes()[:5000])
    with pytest.raises(tfengine.InvalidModel, match="cut.pb"):
        tfengine.load_model(tmp_path / "cut.pb")


def test_unknown_names(digits):
    with pytest.raises(tfengine.InvalidArgument, match="nothing_such"):
        tfengine.load_model(digits / "cnn.pb", outputs=["nothing_such"])
    with pytest.raises(tfengine.InvalidArgument, match="no_such_signature"):
        tfengine.load_model(digits / "separable_saved_model", signature_key="no_such_signature")


def test_a_string_is_no_list_of_names(digits):
    with pytest.raises(
        tfengine.InvalidArgument, match="^outputs: got the string 'Identity', expected a list of names$"
    ):
        tfengine.load_model(digits / "cnn.pb", outputs="Identity")
