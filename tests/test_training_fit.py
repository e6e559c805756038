"""Training: equal to a plain loop over torch's own parts, the same after a kill at any step, and what it refuses."""

import csv
import math
from dataclasses import replace

import pytest
import torch
from training_sets import TEXT, TINY, Made, made

from cmhkf.errors import CheckpointError, ConfigError, TrainingError
from cmhkf.model import losses
from cmhkf.model.build import build_model
from cmhkf.model.losses import Objective
from cmhkf.model.texts import FixedTexts
from cmhkf.training.batches import collate, plan_epoch
from cmhkf.training.config import TRAIN_PRESETS, TrainConfig
from cmhkf.training.fit import STATE_FILE, TABLE_FILE, StepDone, fit
from cmhkf.training.log import EpochLog, Metric

QUICK = TrainConfig(epochs=3, batch_size=5, lr=1e-3, lr_new=4e-3, milestones=(1, 2), gamma=0.5, drop_audio=0.5)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


class Killed(Exception):
    """Stands for a power cut."""


class Table(torch.nn.Module):
    """Class texts that learn, as prompts do."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Parameter(torch.tensor(TEXT))

    def forward(self):
        return self.table


def fresh(config=TINY):
    torch.manual_seed(3)
    return build_model(config), Table()


def run(out, *, kill_at=None, resume=False, config=QUICK, samples=None):
    """Train with a metric that depends on the values alone, up and down over the epochs."""
    model, texts = fresh()
    steps = iter(range(1, 10_000))

    def kill(progress):
        if isinstance(progress, StepDone) and next(steps) == kill_at:
            raise Killed

    samples = made() if samples is None else samples
    validate = lambda: Metric("made up", math.sin(1e3 * texts.table.sum().item()))  # noqa: E731
    keep = {"out": out, "resume": resume, "save_every": 2}
    fitted = fit(model, texts, samples, config, **keep, validate=validate, on_progress=kill)
    return fitted, {**model.state_dict(), **texts.state_dict()}


def rows_of(out):
    with (out / TABLE_FILE).open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_it_is_a_plain_loop_over_torchs_optimizer_and_schedule():
    """Oracle: AdamW and MultiStepLR stepped by hand."""
    samples, config = made(), replace(QUICK, drop_audio=0.0)
    model, texts = fresh()
    fit(model, texts, samples, config)

    by_hand, table = fresh()
    new = [p for n, p in by_hand.named_parameters() if n.split(".")[0] in ("video_in", "text_in", "sound", "fusion")]
    old = [p for p in by_hand.parameters() if not any(p is other for other in new)]
    optimizer = torch.optim.AdamW([{"params": [*old, table.table]}, {"params": new, "lr": 4e-3}], lr=1e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2], gamma=0.5)
    for epoch in range(3):
        for chosen in plan_epoch(samples.labels, batch_size=5, balanced=False, seed=config.seed, epoch=epoch):
            batch = collate(found := [samples[i] for i in chosen], 3, length=max(len(s.video) for s in found))
            given = {"semantic": batch.semantic, "audio": batch.audio, "has_audio": batch.has_audio}
            output = by_hand(batch.video, batch.lengths, table.table, **given)
            optimizer.zero_grad()
            losses.total(output, batch.targets, text=table.table).total.backward()
            optimizer.step()
        schedule.step()
    assert len(new) > 10
    for name, value in by_hand.state_dict().items():
        if not name.endswith("key.bias"):  # whose gradient is 0, so that Adam makes steps of rounding
            torch.testing.assert_close(model.state_dict()[name], value, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(texts.table, table.table, atol=1e-5, rtol=1e-4)


def test_a_run_killed_at_any_step_goes_on_to_the_same_result(tmp_path):
    """12 samples in steps of 5: three steps an epoch, with the second of each saved. All values equal bit for bit."""
    config = replace(QUICK, epochs=2)
    unbroken, values = run(tmp_path / "unbroken", config=config)
    for kill_at in range(1, 7):
        out = tmp_path / f"{kill_at}"
        with pytest.raises(Killed):
            run(out, config=config, kill_at=kill_at)
        fitted, again = run(out, config=config, resume=True)
        assert all(torch.equal(values[name], again[name]) for name in values), kill_at
        assert (fitted.best.epoch, rows_of(out)) == (unbroken.best.epoch, rows_of(tmp_path / "unbroken"))


def test_layers_that_drop_values_are_repeated_as_well(tmp_path):
    """A model with dropout; the generators of the caller are left alone."""

    def with_dropout():
        torch.manual_seed(3)
        model = build_model(TINY)
        model.video_in = torch.nn.Sequential(model.video_in, torch.nn.Dropout(0.5))
        return model

    def kill(progress):
        if isinstance(progress, EpochLog):
            raise Killed

    unbroken, broken = with_dropout(), with_dropout()
    before = torch.get_rng_state()
    fit(unbroken, FixedTexts(TEXT), made(), QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(Killed):
        fit(broken, FixedTexts(TEXT), made(), QUICK, out=tmp_path, on_progress=kill)
    torch.manual_seed(99)
    fit(broken, FixedTexts(TEXT), made(), QUICK, out=tmp_path, resume=True)
    assert all(torch.equal(value, broken.state_dict()[name]) for name, value in unbroken.state_dict().items())


def test_the_best_epoch_is_taken_and_without_a_metric_the_last():
    model, texts = fresh()
    seen, scores = [], iter([0.4, 0.9, 0.9])

    def validate():
        assert not model.training
        seen.append(texts.table.detach().clone())
        return Metric("made up", next(scores))

    fitted = fit(model, texts, made(), QUICK, validate=validate)
    assert (fitted.best.epoch, fitted.best.metric, fitted.best.value) == (2, "made up", 0.9)  # the first of equals
    assert torch.equal(texts.table, seen[1])
    assert not torch.equal(texts.table, seen[2])
    last = fit(*fresh(), made(), QUICK)
    assert (last.best.epoch, last.best.metric, last.best.value) == (3, "", None)


def test_it_learns_to_tell_the_classes_apart():
    config = replace(QUICK, epochs=30, milestones=(), drop_audio=0.2, batch_size=18)
    fitted = fit(*fresh(), made(18), config)
    assert fitted.log[-1].total < 0.5 * fitted.log[0].total


@pytest.mark.parametrize("drop_audio", [0.0, 0.4])
def test_as_many_sounds_are_taken_away_as_asked_for(drop_audio):
    """Counted at the model's door; samples without sound never have any."""
    model, texts = fresh()
    given = []

    class Listening(torch.nn.Module):
        config = TINY

        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, *arguments, has_audio, **keywords):
            given.append(has_audio)
            return model(*arguments, has_audio=has_audio, **keywords)

    fit(Listening(), texts, made(80), replace(QUICK, epochs=8, batch_size=40, drop_audio=drop_audio))
    assert torch.cat(given).float().mean().item() == pytest.approx(0.75 * (1 - drop_audio), abs=0.04)
    assert len({tuple(flags.tolist()) for flags in given}) > 1


def test_a_set_without_any_sound_trains_a_model_that_listens():
    model, texts = fresh()
    before = model.sound.no_audio.detach().clone()
    fit(model, texts, made(6, sound=False), replace(QUICK, epochs=1))
    assert not torch.equal(model.sound.no_audio, before)


def test_bfloat16_stays_near_float32_and_keeps_float32_values():
    model, texts = fresh()
    mixed = fit(model, texts, made(), replace(QUICK, precision="bf16"))
    exact = fit(*fresh(), made(), QUICK)
    assert mixed.log[0].total == pytest.approx(exact.log[0].total, rel=0.05)
    assert mixed.log[0].total != exact.log[0].total
    assert all(value.dtype == torch.float32 for value in model.state_dict().values())


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_last_good_state(where, tmp_path):
    model, texts = fresh()
    calls = iter(range(100))

    def spoilt(output, targets, text):
        good = losses.total(output, targets, text=text)
        if next(calls) < 4:
            return good
        bad = good.bce * torch.nan if where == "loss" else (text - text.detach()).abs().sqrt().sum()
        return Objective(good.total + bad, *good[1:])

    message = rf"the {where} of step 2 of epoch 2 is not finite \(total .*bce .*\); lower the learning rate.*--resume"
    with pytest.raises(TrainingError, match=message):
        fit(model, texts, made(), QUICK, objective=spoilt, out=tmp_path, save_every=1)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    fitted = fit(*fresh(), made(), replace(QUICK, lr=1e-4), out=tmp_path, resume=True)
    assert [row.lr for row in fitted.log] == pytest.approx([1e-3, 5e-5, 2.5e-5])


def test_a_run_is_not_written_over_nor_continued_with_other_settings_or_data(tmp_path):
    run(tmp_path)
    with pytest.raises(ConfigError, match="holds a run; continue it with --resume, or choose another folder"):
        run(tmp_path)
    with pytest.raises(ConfigError, match=r"batch_size, seed differ; only epochs, lr, lr_new may change"):
        run(tmp_path, resume=True, config=replace(QUICK, batch_size=4, seed=1))
    with pytest.raises(ConfigError, match="labels of the samples differ"):
        run(tmp_path, resume=True, samples=made(13))
    longer, _ = run(tmp_path, resume=True, config=replace(QUICK, epochs=4))
    assert [row.step for row in longer.log] == [3, 6, 9, 12]


def test_a_damaged_state_is_refused_and_nothing_pickled_is_run(tmp_path):
    run(tmp_path)
    state = tmp_path / STATE_FILE
    whole = state.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"<html>"):
        state.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"state\.pt is no training state, or a damaged one; begin anew"):
            run(tmp_path, resume=True)
    torch.save({"about": Made}, state)
    with pytest.raises(CheckpointError, match="is no training state"):
        run(tmp_path, resume=True)


def test_samples_read_ahead_by_other_processes_are_the_same():
    tables = []
    for workers in (0, 1):
        model, texts = fresh()
        fit(model, texts, made(), replace(QUICK, epochs=1), workers=workers)
        tables.append(texts.table)
    assert torch.equal(*tables)


def test_presets_hold_the_papers_numbers():
    xd, ucf = TRAIN_PRESETS["xd-violence"], TRAIN_PRESETS["ucf-crime"]
    assert (xd.lr, xd.epochs, xd.batch_size, xd.balanced, xd.milestones) == (1e-5, 10, 96, False, (3, 6, 10))
    assert (ucf.lr, ucf.epochs, ucf.batch_size, ucf.balanced, ucf.milestones) == (2e-5, 20, 64, True, (4, 8))
    assert (xd.lambda_na, xd.lambda_aa, xd.weight_decay) == (1e-3, 1e-4, 0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "TrainConfig.epochs is 0; it must be 1 or more"),
        ({"lr_new": "fast"}, "TrainConfig.lr_new is 'fast'; it must be of type float"),
        ({"lr": float("nan")}, "TrainConfig.lr is nan; it must be 0 or more"),
        ({"drop_audio": 1.0}, "TrainConfig.drop_audio is 1.0; it is a share, below 1"),
        ({"milestones": (3, 2)}, r"milestones are \(3, 2\); they must be ascending"),
        ({"select": "luck"}, "TrainConfig.select is 'luck'; choose one of validation, test"),
    ],
)
def test_settings_are_checked(change, message):
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**change)
