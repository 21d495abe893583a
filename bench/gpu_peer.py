# SPDX-License-Identifier: Apache-2.0
"""What PyTorch takes for the same networks on the GPU: torch.compile (reduce-overhead, which replays CUDA graphs), half
precision, channels last, batch norms in evaluation mode. Weights are random: they do not change the time.

    python bench/gpu_peer.py resnet50 1 32 128
"""

import json
import statistics
import sys

import torch
import torchvision


def median_ms(run):
    for _ in range(10):
        run()
    torch.cuda.synchronize()
    times = []
    for _ in range(30):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(10):
            run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / 10)
    return statistics.median(times)


def main():
    torch.backends.cudnn.benchmark = True
    name, batches = sys.argv[1], [int(text) for text in sys.argv[2:]]
    model = getattr(torchvision.models, {"mobilenetv2": "mobilenet_v2"}.get(name, name))(weights=None)
    model = model.eval().cuda().half().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch in batches:
            torch._dynamo.reset()
            compiled = torch.compile(model, mode="reduce-overhead", dynamic=False)
            images = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.half)
            images = images.to(memory_format=torch.channels_last)
            print(
                json.dumps(
                    {
                        "model": name,
                        "batch": batch,
                        "torch_compile_fp16_ms": round(median_ms(lambda: compiled(images)), 4),
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
