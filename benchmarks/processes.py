"""What training steps cost one process, and each of several.

    python -m benchmarks.processes --classes 1000
    torchrun --nproc-per-node 2 -m benchmarks.processes --classes 1000

Steps of the detector with `nano` on random pictures, through the same loop as in `scan`; prints
processor time and wall time of a step, for each process.
"""

import argparse
import time

import numpy as np
import torch

from benchmarks.speed import class_names
from deftclean.cli.options import taking_part
from deftclean.core.run import Ranks
from deftclean.core.runtime import choose_runtime
from deftclean.detection.train import train_detector
from deftclean.models.saved_detector import build_detector
from deftclean.models.weights import load_model
from deftclean.settings.detector import DetectorConfig
from deftclean.training.collapse import CollapseWatch
from deftclean.training.feeds import EpochBatches, Features
from deftclean.training.pieces import Pieces, no_more

_WARM_UP = 3  # epochs that are not counted


def measure(ranks: Ranks, classes: int, batch: int, steps: int) -> tuple[float, float]:
    """Processor time and wall time of a step of this process, in seconds.

    Args:
        ranks: the processes.
        classes: K.
        batch: B, of all processes.
        steps: of an epoch; two of them are counted.
    """
    runtime = choose_runtime("cpu", "fp32", 0, ranks)
    config = DetectorConfig(
        epochs=_WARM_UP + 2, warmup=1, batch_size=batch, context_length=16, prompt_length=20
    )
    encoder = load_model("nano", None, True, print).encoder
    detector = build_detector(encoder, class_names(classes), config)
    detector.prompts.divide(ranks, runtime.device)
    generator = torch.Generator().manual_seed(0)
    rows = steps * batch
    size = encoder.preprocess["size"]
    pixels = torch.randint(0, 256, (rows, 3, *size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(classes, (rows,), generator=generator)
    every = np.arange(rows)
    batches = EpochBatches(every, every, batch, 0, ranks)

    def feed(epoch: int) -> Features:
        batches.epoch = epoch
        for chosen in batches.row_batches():
            yield torch.from_numpy(chosen), detector.image_features(pixels[chosen])

    watch = CollapseWatch(detector, pixels[:8], runtime, Pieces(None, runtime, print))
    epochs = train_detector(
        detector, feed, labels, watch, config, True, runtime, lambda _report: None, no_more
    )
    for _ in range(_WARM_UP):
        next(epochs)
    began, used = time.monotonic(), time.process_time()
    for _ in epochs:
        pass
    count = 2 * steps
    return (time.process_time() - used) / count, (time.monotonic() - began) / count


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    asked = parser.parse_args()
    with taking_part() as ranks:
        found = measure(ranks, asked.classes, asked.batch, asked.steps)
        for rank, (processor, wall) in enumerate(ranks.every(found)):
            if ranks.first:
                print(
                    f"K {asked.classes}, B {asked.batch}, process {rank} of {ranks.size}: "
                    f"{processor * 1000:.0f} ms of processor time, {wall * 1000:.0f} ms"
                )


if __name__ == "__main__":
    main()
