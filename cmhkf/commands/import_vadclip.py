"""`python -m cmhkf import-vadclip`: a published checkpoint of VadCLIP into one that serves here."""

from pathlib import Path
from typing import Annotated

import typer

from cmhkf.errors import ConfigError


def import_vadclip(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="model_xd.pth, model_ucf.pth or checkpoint.pth")],
    out: Annotated[Path, typer.Option(help="the checkpoint to write, .safetensors")],
    dataset: Annotated[str, typer.Option(help="what it was trained on: xd-violence or ucf-crime")] = "xd-violence",
    clip: Annotated[
        str, typer.Option(help="CLIP for the class texts: own (as everywhere here), file (within FILE), or a path")
    ] = "own",
) -> None:
    """Make a checkpoint of VadCLIP's weights; the class texts are computed once, from its learned prompts."""
    from cmhkf.datasets.sets import DATASETS
    from cmhkf.encoders.clip import load_clip
    from cmhkf.features.folders import released_recipe
    from cmhkf.files import sha256_of
    from cmhkf.model.build import build_model
    from cmhkf.model.checkpoint import save_checkpoint
    from cmhkf.model.vadclip_file import clip_of, prompted_texts, read_vadclip

    if dataset not in DATASETS:
        raise ConfigError(f"dataset is {dataset!r}; choose one of {', '.join(DATASETS)}")
    held = read_vadclip(source, dataset)
    tower = clip_of(held.clip, source) if clip == "file" else load_clip(None if clip == "own" else clip)[2]
    model = build_model(held.config)
    model.load_state_dict(held.state)
    sha256 = sha256_of(source)
    about = {"imported_from": source.name, "sha256": sha256, "program": "VadCLIP", "clip": clip}
    optimistic = f"VadCLIP's program keeps the epoch that is best on the test set of {dataset}"
    path = save_checkpoint(
        out,
        model,
        recipe=released_recipe(audio=False),
        name=f"vadclip-{dataset}",
        text_features=prompted_texts(held.config.classes, held.prompts, tower).numpy(),
        provenance=about | {"optimistic": optimistic},
        metrics={},
        prompts=held.prompts.numpy(),
    )
    typer.echo(f"{path}: VadCLIP for {dataset}, {len(held.config.classes)} classes, from {source.name} ({sha256[:12]})")
