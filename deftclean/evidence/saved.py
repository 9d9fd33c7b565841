"""What is kept of the evidence, so that new pictures get the same verdict.

The pools and the head are small. Neighbours need the pictures that they were found among: their
features, in half precision, and labels; kept only where neighbours are heard, and of so many
pictures at most that the file stays below some hundred megabytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deftclean.evidence.belief import Belief
from deftclean.evidence.correction import Correction
from deftclean.evidence.neighbours import Index, NeighbourWitness
from deftclean.evidence.pool import Pool
from deftclean.evidence.witness import Linear, LinearWitness

MOST_NEIGHBOURS = 100_000
"""Pictures that are kept to find neighbours among, at most."""

BROUGHT = ("features", "texts")
"""What a user may have brought: what head and neighbours look at, and the texts of the classes."""


@dataclass(frozen=True)
class KeptEvidence:
    """All but the detectors and the model itself.

    Attributes:
        belief: what is believed of the witnesses.
        head: the mean of the cross-fitted ones.
        index: pictures to find neighbours among; None where neighbours are not heard.
        indexed_of: labelled pictures that there were.
        brought: what the user brought, as plain values; empty where that is nothing.
    """

    belief: Belief
    head: Linear
    index: Index | None
    indexed_of: int
    brought: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        belief: Belief,
        head: LinearWitness,
        neighbours: NeighbourWitness,
        generator: np.random.Generator,
        brought: dict[str, Any],
    ) -> "KeptEvidence":
        """Of a scan.

        Args:
            belief: its outcome.
            head, neighbours: its witnesses.
            generator: draws the pictures that are kept.
            brought: by the user.
        """
        count = len(head.parts)
        weight = torch.stack([part.weight for part in head.parts]).sum(dim=0) / count
        bias = torch.stack([part.bias for part in head.parts]).sum(dim=0) / count
        whole = neighbours.index
        listened = "neighbours" in belief.names
        index = whole.some(MOST_NEIGHBOURS, generator) if listened else None
        return cls(belief, Linear(weight, bias), index, len(whole.pictures), brought)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a file."""
        belief = self.belief
        made = {
            "pools": torch.stack([pool.values for pool in belief.pools]),
            "losses": torch.tensor([pool.loss for pool in belief.pools], dtype=torch.float64),
            "shares": torch.from_numpy(belief.shares),
            "marginal": torch.from_numpy(belief.marginal),
            "head.weight": self.head.weight.contiguous(),
            "head.bias": self.head.bias.contiguous(),
        }
        if (mix := belief.pools[0].mix) is not None:
            made["strata"] = mix
        if self.index is not None:
            made |= {
                "neighbours.features": self.index.features.cpu().half().contiguous(),
                "neighbours.starts": torch.from_numpy(self.index.starts),
                "neighbours.labels": torch.from_numpy(self.index.labels),
            }
        return made

    def facts(self) -> dict[str, Any]:
        """Plain values, for the card."""
        kept = 0 if self.index is None else len(self.index.pictures)
        return {
            "witnesses": self.belief.weights,
            "informed": self.belief.informed,
            "correction": None
            if self.belief.correction is None
            else [self.belief.correction.shift, self.belief.correction.slope],
            "neighbours_kept": kept,
            "neighbours_of": self.indexed_of,
            **self.brought,
        }

    @classmethod
    def from_file(
        cls, facts: Mapping[str, Any], tensors: Mapping[str, Tensor], device: torch.device
    ) -> "KeptEvidence":
        """What `facts` and `tensors` gave.

        Raises:
            KeyError, ValueError: something is missing or does not fit.
        """
        names = tuple(facts["witnesses"])
        marginal = tensors["marginal"]
        log_marginal = marginal.log()
        pools = tuple(
            Pool(values, len(names), log_marginal, float(loss), tensors.get("strata"))
            for values, loss in zip(tensors["pools"], tensors["losses"], strict=True)
        )
        shares = tensors["shares"].numpy()
        line = facts.get("correction")
        correction = (
            None if line is None else Correction(float(line[0]), float(line[1]), np.zeros((2, 2)))
        )
        belief = Belief(
            names, pools, shares, float(facts["informed"]), marginal.numpy(), correction
        )
        index = None
        if "neighbours.features" in tensors:
            features = tensors["neighbours.features"].float()
            unit = torch.nn.functional.normalize(features, dim=1)
            index = Index(
                np.arange(len(features)),
                unit.to(device),
                tensors["neighbours.starts"].numpy(),
                tensors["neighbours.labels"].numpy(),
                marginal.numpy(),
            )
        head = Linear(tensors["head.weight"], tensors["head.bias"])
        brought = {name: facts[name] for name in BROUGHT if name in facts}
        return cls(belief, head, index, int(facts["neighbours_of"]), brought)
