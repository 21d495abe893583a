# SPDX-License-Identifier: Apache-2.0
"""Engines on a GPU from Python, with arrays that stay there. Elsewhere, what a build or machine without one says."""

from pathlib import Path

import numpy as np
import pytest

import tfengine

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
IMAGES = np.random.default_rng(1).random((4, 8, 8, 1), np.float32)

needs_gpu = pytest.mark.skipif(not tfengine.gpus(), reason="no GPU")


@pytest.fixture(scope="module")
def engines():
    model = DIGITS / "cnn.pb"
    return tfengine.convert(model, time_tactics=False), tfengine.convert(model, device="cuda", time_tactics=False)


def first(outputs):
    return next(iter(outputs.values()))


@needs_gpu
def test_numpy_arrays_go_there_and_back(engines):
    host, gpu = engines
    assert (host.device, gpu.device) == ("cpu", "cuda:0")
    np.testing.assert_allclose(first(gpu.run(IMAGES)), first(host.run(IMAGES)), atol=5e-3)


@needs_gpu
@pytest.mark.parametrize("library", ["torch", "cupy", "jax", "numba"])
def test_arrays_of_other_libraries_stay_there(engines, library):
    host, gpu = engines
    module = pytest.importorskip(library)
    if library == "torch":
        array = module.from_numpy(IMAGES).cuda()
    elif library == "cupy":
        array = module.asarray(IMAGES)
    elif library == "jax":
        array = module.device_put(IMAGES)
        array.block_until_ready()
    else:
        from numba import cuda

        array = cuda.to_device(IMAGES)
    output = first(gpu.run(array))
    assert isinstance(output, tfengine.DeviceArray)
    assert output.shape == (4, 10) and output.dtype == np.float32 and output.device == "cuda:0"
    want = first(host.run(IMAGES))
    np.testing.assert_allclose(output.numpy(), want, atol=5e-3)
    if library == "torch":
        np.testing.assert_allclose(module.from_dlpack(output).cpu().numpy(), want, atol=5e-3)
        np.testing.assert_allclose(module.as_tensor(output, device="cuda").cpu().numpy(), want, atol=5e-3)
    elif library == "cupy":
        np.testing.assert_allclose(module.from_dlpack(output).get(), want, atol=5e-3)
        np.testing.assert_allclose(module.asarray(output).get(), want, atol=5e-3)
    elif library == "jax":
        np.testing.assert_allclose(np.asarray(module.dlpack.from_dlpack(output)), want, atol=5e-3)


@needs_gpu
def test_work_follows_the_callers_stream(engines):
    host, gpu = engines
    torch = pytest.importorskip("torch")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        images = torch.from_numpy(IMAGES).cuda(non_blocking=True)
        torch.cuda._sleep(50_000_000)  # what comes behind must wait
        images = images * 0.5
        result = torch.from_dlpack(first(gpu.run(images, stream=stream))) + 1
    stream.synchronize()
    np.testing.assert_allclose(result.cpu().numpy(), first(host.run(IMAGES * np.float32(0.5))) + 1, atol=5e-3)


@needs_gpu
def test_outputs_are_inputs_of_the_next_engine(engines):
    _, gpu = engines
    torch = pytest.importorskip("torch")
    images = torch.from_numpy(IMAGES).cuda()
    name = gpu.inputs[0].name
    by_name = first(gpu.run({name: images}))
    np.testing.assert_array_equal(by_name.numpy(), first(gpu.run([images])).numpy())
    used = tfengine.gpu_memory()["in_use_bytes"]
    del by_name
    assert tfengine.gpu_memory()["in_use_bytes"] < used


@needs_gpu
def test_wrong_arrays_are_refused(engines):
    host, gpu = engines
    torch = pytest.importorskip("torch")
    images = torch.from_numpy(IMAGES).cuda()
    with pytest.raises(tfengine.InvalidArgument, match="got dtype float16 on a GPU, expected float32"):
        gpu.run(images.half())
    with pytest.raises(tfengine.InvalidArgument, match="expected a contiguous array"):
        gpu.run(torch.cat([images, images], 3)[:, :, :, :1])
    with pytest.raises(tfengine.InvalidArgument, match='for an engine on the cpu; load it with device="cuda"'):
        host.run(images)
    with pytest.raises(tfengine.InvalidArgument, match="got 2 inputs, expected 1"):
        gpu.run([images, images])


@needs_gpu
def test_half_precision(engines):
    host, _ = engines
    half = tfengine.convert(DIGITS / "cnn.pb", precision="fp16", device="cuda", time_tactics=False)
    assert half.precision == "fp16"
    np.testing.assert_allclose(first(half.run(IMAGES)), first(host.run(IMAGES)), atol=1e-2)


def test_a_cpu_has_no_half_precision():
    with pytest.raises(tfengine.InvalidArgument, match="half precision is bf16 on a CPU and fp16 on a GPU"):
        tfengine.convert(DIGITS / "cnn.pb", precision="fp16")


def test_devices_that_are_not_there():
    with pytest.raises(tfengine.InvalidArgument, match="device 'gpu' is unknown, expected 'cpu', 'cuda' or 'cuda:N'"):
        tfengine.convert(DIGITS / "cnn.pb", device="gpu")
    with pytest.raises(tfengine.InvalidArgument, match="device 'cuda"):
        tfengine.convert(DIGITS / "cnn.pb", device="cuda:99")
