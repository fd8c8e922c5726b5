"""What the peers share: the request, the timing, the answer. Python with PyTorch only."""

import json
import statistics
import sys
import threading
import time

import numpy as np
import torch


def request():
    """The JSON that the benchmark passed."""
    return json.loads(sys.argv[1])


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


class Peak:
    """The most memory that was held meanwhile: of the GPU, or of this process every 2 ms."""

    def __init__(self, device):
        self.cuda, self.done = device == "cuda", threading.Event()

    def __enter__(self):
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        else:
            self.before = self.highest = resident()
            self.thread = threading.Thread(target=self._sample, daemon=True)
            self.thread.start()
        return self

    def _sample(self):
        while not self.done.wait(0.002):
            self.highest = max(self.highest, resident())

    def __exit__(self, *error):
        if self.cuda:
            self.highest = torch.cuda.max_memory_allocated()
        else:
            self.done.set()
            self.thread.join()

    @property
    def bytes(self):
        return self.highest - self.before


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def arrays(path, device):
    """The arrays of an .npz file as tensors on the device."""
    with np.load(path) as file:
        return {name: torch.from_numpy(file[name]).to(device) for name in file.files}


def time_calls(call, make_inputs, number, device):
    """Calls `number` times, the first to warm up; `call` returns its loss, a number or a tensor."""
    seconds, losses, highest = [], [], 0
    for index in range(number):
        inputs = make_inputs(index)
        wait(device)
        with Peak(device) as peak:
            start = time.perf_counter()
            loss = call(inputs)
            wait(device)
            seconds.append(time.perf_counter() - start)
        highest = max(highest, peak.bytes)
        losses.append(float(loss))
    median = statistics.median(seconds[1:])
    return {
        "seconds": median,
        "spread": (max(seconds[1:]) - min(seconds[1:])) / median,
        "loss": losses,
        "peak_memory_bytes": highest,
    }


def answer(said, **versions):
    """Prints the one line that the benchmark reads."""
    print(json.dumps({**said, "versions": {"torch": torch.__version__, **versions}}))
