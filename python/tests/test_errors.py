"""The classes of errors."""

import pickle

import pytest
import tfengine


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (tfengine.InvalidModel, (tfengine.Error, ValueError)),
        (tfengine.InvalidArgument, (tfengine.Error, ValueError)),
        (tfengine.OutOfMemory, (tfengine.Error, MemoryError)),
        (tfengine.BackendFailure, (tfengine.Error,)),
        (tfengine.InternalError, (tfengine.Error,)),
        (tfengine.Error, (RuntimeError,)),
    ],
)
def test_are_what_python_calls_them(error, bases):
    assert issubclass(error, bases) and error.__bases__ == bases
    assert error.__module__ == "tfengine" and error.__doc__
    assert str(pickle.loads(pickle.dumps(error("why")))) == "why"


def test_memory_limit_is_an_error_with_numbers_that_leaves_the_model_usable(model, images):
    with pytest.raises(tfengine.OutOfMemory, match="limit 1000 bytes") as caught:
        tfengine.convert(model, threads=1, memory_limit_bytes=1000)
    assert caught.value.limit_bytes == 1000
    assert caught.value.requested_bytes > 1000
    assert tfengine.convert(model, threads=1, memory_limit_bytes=1 << 30).run(images[:1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int9"}, "precision 'int9' is unknown, expected fp32, fp16, bf16 or int8"),
        ({"precision": "int8"}, "precision int8 needs ranges"),
        ({"backend": "abacus"}, "abacus"),
        ({"calibration_data": []}, "convert: calibration_data is for precision 'int8', got 'fp32'"),
        ({"input_shapes": [(1, 8, 8, 1), "x"]}, "input_shapes: got 1 shapes|expected a tuple of known dimensions"),
        ({"input_shapes": {"picture": (1, 8, 8, 1)}}, r"input_shapes: got \['picture'\], expected \['image'\]"),
        ({"input_shapes": (-1, 8, 8, 1)}, "expected a tuple of known dimensions"),
    ],
)
def test_wrong_options_of_convert(model, options, message):
    with pytest.raises(tfengine.InvalidArgument, match=message):
        tfengine.convert(model, threads=1, **options)


def test_what_is_no_model():
    with pytest.raises(tfengine.InvalidArgument, match="^model: got int, expected a tfengine.Model or a path$"):
        tfengine.convert(7)


def test_both_data_and_calibration(model, images, calibration):
    with pytest.raises(tfengine.InvalidArgument, match="expected one of them"):
        tfengine.convert(model, "int8", images, calibration)
