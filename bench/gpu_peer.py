# SPDX-License-Identifier: Apache-2.0
"""What PyTorch takes for the same networks on the GPU: torch.compile (reduce-overhead, which replays CUDA graphs), half
precision, batch norms in evaluation mode; images channels last, BERT-base with 128 places and a padding mask. Weights are
random: they do not change the time.

    python bench/gpu_peer.py resnet50 1 32 128
    python bench/gpu_peer.py bert 1 8 32
"""

import json
import statistics
import sys

import torch

PLACES = 128


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


def images(name):
    import torchvision

    model = getattr(torchvision.models, {"mobilenetv2": "mobilenet_v2"}.get(name, name))(weights=None)
    model = model.eval().cuda().half().to(memory_format=torch.channels_last)

    def inputs(batch):
        tensor = torch.randn(batch, 3, 224, 224, device="cuda", dtype=torch.half)
        return [tensor.to(memory_format=torch.channels_last)]

    return model, inputs


def bert(_name):
    import transformers

    model = transformers.BertModel(transformers.BertConfig(), add_pooling_layer=False).eval().cuda().half()

    def forward(ids, mask, segments):
        return model(input_ids=ids, attention_mask=mask, token_type_ids=segments).last_hidden_state

    def inputs(batch):
        ids = torch.randint(0, 30000, (batch, PLACES), device="cuda")
        lengths = torch.randint(PLACES // 2, PLACES + 1, (batch, 1), device="cuda")
        mask = (torch.arange(PLACES, device="cuda")[None] < lengths).long()
        return [ids, mask, torch.zeros_like(ids)]

    return forward, inputs


def main():
    torch.backends.cudnn.benchmark = True
    name, batches = sys.argv[1], [int(text) for text in sys.argv[2:]]
    model, inputs = (bert if name == "bert" else images)(name)
    with torch.inference_mode():
        for batch in batches:
            torch._dynamo.reset()
            compiled = torch.compile(model, mode="reduce-overhead", dynamic=False)
            tensors = inputs(batch)
            milliseconds = median_ms(lambda: compiled(*tensors))  # noqa: B023
            print(
                json.dumps({"model": name, "batch": batch, "torch_compile_fp16_ms": round(milliseconds, 4)}), flush=True
            )


if __name__ == "__main__":
    main()
