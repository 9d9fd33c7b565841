"""README.md of a run folder: what was trained, on what, what was dropped, what was measured.

No torch: plain values in, text out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from deftclean.core.text import markdown
from deftclean.settings.adaptation import AdaptConfig, Method, probe_of
from deftclean.settings.training import Tuner

_MOST_CLASSES = 50  # in the table of classes

_METHODS: dict[Method, str] = {
    "fft": "all weights fine-tuned, with a new linear head",
    "linear": "a linear head on frozen features",
    "turn": "TURN: a linear probe, then all weights fine-tuned on the rows that it believes",
    "peft": "in a CLIP {tuner}, and a linear head",
    "vlpt": "in a CLIP {tuner}, and a textual context",
    "prompts": "the positive prompts of the noisy-label detector; nothing was trained",
}

_TUNERS: dict[Tuner, str] = {
    "vpt-deep": "visual prompts before every layer",
    "vpt-shallow": "visual prompts before the first layer",
    "lora": "low-rank changes of queries and values (LoRA)",
    "adaptformer": "a bottleneck beside every MLP (AdaptFormer)",
    "bitfit": "the biases of the image tower (BitFit)",
    "fft": "all weights of the image tower",
    "none": "nothing of the image tower",
}

TESTED = {
    "test rows": "rows of a test set",
    "chosen rows": "rows that were held out of those to learn from, with the labels they have "
    "there: rows that were left out as wrong or doubtful are not among them, so pictures at large "
    "are likely harder",
    "all rows": "rows that were held out of the whole table, with the labels they have there, "
    "wrong ones included",
}
"""What was tested on, and what that can show."""

NO_DIFFERENCE = (
    "The labels of held-out rows are as wrong as the others, so the difference does not tell "
    "which training is better for true labels. Test rows whose labels are right do (--test LABELS)."
)

_LOSSES = {
    "ce": "cross-entropy",
    "sce": "symmetric cross-entropy",
    "elr": "cross-entropy with early-learning regularisation",
    "gce": "generalised cross-entropy (q = 0.7)",
}


def model_card(
    backbone: str,
    architecture: str | None,
    class_names: Sequence[str],
    config: AdaptConfig,
    data: Mapping[str, Any],
    results: Mapping[str, Any],
    warnings: Sequence[str],
    tool_version: str,
) -> str:
    """Markdown.

    Args:
        backbone: as given to `--backbone`.
        architecture: timm's name; None where a CLIP is needed.
        class_names: K.
        config: resolved settings.
        data: what it was trained on: `table`, `counts` of rows, `selected_from` (rows that the
            method chose from; None where it chose none), `trained_on`, `labels`.
        results: what was measured; see `deftclean.adaptation.run_folder`.
        warnings: what a user of its predictions should know.
        tool_version: deftclean's.
    """
    parts = [
        f"# {len(class_names):,} classes, {markdown(backbone)}",
        f"Trained by deftclean {tool_version}: {_trained(config)}.",
        _use(architecture),
        "## Data\n\n" + _data(data),
        "## Training\n\n" + _training(config),
        "## Results\n\n" + _results(results, class_names),
    ]
    if warnings:
        parts.append("## Mind\n\n" + "\n".join(f"- {markdown(text)}" for text in warnings))
    return "\n\n".join(parts) + "\n"


def _trained(config: AdaptConfig) -> str:
    return _METHODS[config.method].format(tuner=_TUNERS[config.tuner])


def _use(architecture: str | None) -> str:
    if architecture is None:
        how = "deftclean.load_classifier(FOLDER)  # uint8 pixels to logits; needs its CLIP"
        return f"```python\nimport deftclean\n\nmodel = {how}\n```"
    return (
        "```python\nimport timm\n\n"
        'model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()\n'
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))\n"
        "```\n\nClasses, in the order of the outputs, stand in `config.json` as `label_names`."
    )


def _data(data: Mapping[str, Any]) -> str:
    counts = data["counts"]
    lines = [f"Table `{markdown(data['table'])}`; labels: {data['labels']}.", ""]
    lines += ["| rows | |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {count:,} |" for name, count in counts.items()]
    if data["selected_from"] is not None:
        lines += [f"| TURN selected from | {data['selected_from']:,} |"]
    lines += [f"| trained on | {data['trained_on']:,} |"]
    rate = data.get("noise_rate")
    if rate is not None:
        lines += ["", f"The scan called {rate:.1%} of the rows wrong (rule `{data['rule']}`)."]
    return "\n".join(lines)


def _training(config: AdaptConfig) -> str:
    if config.method == "prompts":
        return "None."
    size = f", {config.image_size} px" if config.image_size is not None else ""
    return (
        f"{config.epochs} epochs, batch {config.batch_size}, {config.optimiser}, learning rate "
        f"{config.lr:g} ({config.schedule}), weight decay {config.weight_decay:g}, loss: "
        f"{_LOSSES[config.loss]}, augmentation: {config.augmentation}{size}, seed {config.seed}. "
        f"The weights are those after the last epoch.{_probe(config)}"
    )


def _probe(config: AdaptConfig) -> str:
    if config.method != "turn":
        return ""
    probe = probe_of(config)
    return (
        f" Before it the head alone: {probe.epochs} epochs, {probe.optimiser}, learning rate "
        f"{probe.lr:g}, loss: {_LOSSES[probe.loss]}; of its losses a mixture of two normal "
        "distributions chose the rows."
    )


def _results(results: Mapping[str, Any], class_names: Sequence[str]) -> str:
    if not results["test_rows"]:
        return "Nothing was tested."
    whose = TESTED[results["tested_on"]]
    cleaned, uncleaned = results["cleaned"], results["uncleaned"]
    lines = [
        f"Measured on {results['test_rows']:,} {whose}.",
        "",
        "| | accuracy after the last epoch | best epoch | calibration error |",
        "|---|---|---|---|",
        _result_row("chosen rows", cleaned),
    ]
    if uncleaned is not None:
        lines += [_result_row("all rows", uncleaned), "", _compared(results)]
    lines += ["", "| class | accuracy |", "|---|---|"]
    per_class = cleaned["per_class"]
    for name in class_names[:_MOST_CLASSES]:
        value = per_class.get(name)
        lines.append(f"| {markdown(name)} | {'no row' if value is None else f'{value:.1%}'} |")
    if len(class_names) > _MOST_CLASSES:
        lines.append(f"\nThe first {_MOST_CLASSES} classes; all of them are in deftclean.json.")
    lines += [
        "",
        "The best epoch was chosen by looking at the test rows; do not report it as a result.",
    ]
    return "\n".join(lines)


def _compared(results: Mapping[str, Any]) -> str:
    if results["tested_on"] != "test rows":
        return NO_DIFFERENCE
    difference = results["cleaned"]["accuracy"] - results["uncleaned"]["accuracy"]
    return f"Cleaning changed the accuracy by {100 * difference:+.1f} points."


def _result_row(name: str, result: Mapping[str, Any]) -> str:
    return (
        f"| {name} ({result['rows']:,}) | {result['accuracy']:.1%} | {result['best']:.1%} | "
        f"{result['calibration_error']:.3f} |"
    )
