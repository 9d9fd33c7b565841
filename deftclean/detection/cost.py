"""What a run will take, said after its first batches."""

import math
import time

from deftclean.core.progress import Progress
from deftclean.core.runtime import Runtime
from deftclean.images.usable_rows import UsableRows
from deftclean.settings.detector import DetectorConfig
from deftclean.settings.strategies import StrategyOptions
from deftclean.training.picture_sets import SCORING_BATCH

_HOURS = 3600.0  # a run longer than this gets advice


class CostOfRun:
    """Says, after the first batches of the first pass, what the whole run will take."""

    _MEASURED = (2, 6)  # batches between which the pace is taken: the first ones are slow
    _STEP = 3  # a training step in forward passes

    def __init__(
        self,
        rows: UsableRows,
        config: DetectorConfig,
        options: StrategyOptions,
        runtime: Runtime,
        progress: Progress,
    ) -> None:
        scored = math.ceil(len(rows.distinct) / SCORING_BATCH)
        count = config.trained_of(len(rows.trainable))
        trained = self._STEP * config.epochs * count / SCORING_BATCH
        looks = scored * (config.epochs - config.warmup) if options.reselects else 0
        tuned = options.stages * (trained + looks + scored)
        # Without a tuner the first pass is the only one that runs the image tower.
        passes = scored if config.tuner == "none" else scored + tuned
        self._passes = passes / runtime.ranks.size
        self._what = "embedding" if config.tuner == "none" else "this run"
        self._on_cpu = runtime.device.type == "cpu"
        self._progress = progress
        self._done = 0
        self._started = 0.0

    def __call__(self) -> None:
        """Another batch of the first pass is done."""
        self._done += 1
        first, last = self._MEASURED
        if self._done == first:
            self._started = time.monotonic()
        if self._done == last:
            self._say((time.monotonic() - self._started) / (last - first))

    def begun(self, batches: int, pace: float) -> None:
        """Some batches of the first pass were done before, at so many seconds each."""
        self._done = max(self._MEASURED[1], batches)
        self._say(pace)

    def _say(self, batch: float) -> None:
        left = max(0.0, self._passes - self._done) * batch
        self._progress.say(f"{self._what} will take {_duration(left)} on this machine")
        if left > _HOURS:
            advice = "a GPU" if self._on_cpu else "a larger GPU"
            self._progress.warn(
                f"{_duration(left)} is long. Faster: {advice}, --tuner none (trains on features "
                "computed once), a smaller model (--model ViT-B-32), or the built-in --model nano "
                "for small everyday pictures"
            )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} hours"
