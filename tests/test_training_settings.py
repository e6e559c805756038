"""Settings by dotted names: what --set and a TOML file mean, in which order, and what is answered to a wrong one."""

from dataclasses import replace

import pytest
from training_sets import invoke, sets

from cmhkf.errors import ConfigError
from cmhkf.model.config import CvkaConfig, MkafConfig, ModelConfig
from cmhkf.settings import changed, describe
from cmhkf.training.config import TrainConfig
from cmhkf.training.settings import known_settings, part_of, read_settings

TYPED = {"model.cvka.k=3": 3, "model.modalities=VT": "VT", "train.lr=2e-5": 2e-5, "train.lr_new=none": None}
TYPED |= {"train.lr_new=1": 1.0, "train.balanced=True": True, "model.audio.layer_norm=false": False}
TYPED |= {"train.milestones=3, 6,10": (3, 6, 10), "train.milestones=": ()}


@pytest.mark.parametrize(("pair", "value"), TYPED.items())
def test_a_pair_is_typed_by_its_field(pair, value):
    (got,) = read_settings([pair]).values()
    assert (got, type(got)) == (value, type(value))


def test_every_setting_of_both_configs_is_listed_with_type_default_and_docstring(tmp_path):
    listed = known_settings()
    assert len(listed) > 35
    assert listed["model.cvka.k"].default == CvkaConfig().k
    assert all(setting.doc and setting.kind for setting in listed.values())
    for command in ("train", "ablate"):
        done = invoke(command, "--set", "help")  # no other option is asked for
        assert done.exit_code == 0
        lines = done.stdout.splitlines()
        place = lines.index("model.cvka.k = 2, ucf-crime: 4  (whole number)")
        assert lines[place + 1].strip().startswith("Class texts chosen per window (E8).")
        assert [line for line in lines if line.startswith("train.precision = fp32  (one of fp32, bf16, fp16)")]
    told = invoke("evaluate", "--set", "help").stdout
    assert "model.afae.w = 2" in told
    assert "train." not in told


def test_a_file_means_the_same_and_set_goes_before_it(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text(
        '[train]\nlr = 1\nlr_new = "none"\nmilestones = [2, 4]\n[model.cvka]\nk = 3\n[model]\nlight = true\n'
    )
    from_file = read_settings((), file)
    numbers = {"train.lr": 1.0, "train.lr_new": None, "train.milestones": (2, 4)}
    assert from_file == numbers | {"model.light": True, "model.cvka.k": 3}
    assert type(from_file["train.lr"]) is float
    both = read_settings(["model.cvka.k=5"], file)
    assert both == from_file | {"model.cvka.k": 5}
    assert changed(ModelConfig(), part_of(both, "model")).cvka == CvkaConfig(k=5)
    assert changed(TrainConfig(), part_of(both, "train")).milestones == (2, 4)
    assert describe(both).endswith("train.milestones=2,4, model.cvka.k=5, model.light=true")


def test_fields_that_only_fit_together_are_changed_together():
    wide = replace(ModelConfig(), mkaf=MkafConfig(heads=2))
    for order in (("mkaf.type", "mkaf.heads"), ("mkaf.heads", "mkaf.type")):
        values = {"mkaf.type": "jca", "mkaf.heads": 1}
        assert changed(wide, {name: values[name] for name in order}).mkaf == MkafConfig(type="jca")


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("model.cvka.kk=3", "there is no setting 'model.cvka.kk'; did you mean model.cvka.k"),
        ("cvka.k=3", r"no setting 'cvka.k'; did you mean model\.cvka\.k\?"),
        ("lr=3", r"no setting 'lr'; did you mean train\.lr\? `--set help` lists them all"),
        ("model.cvka=3", "there is no setting 'model.cvka'"),
        ("train.lr", "'train.lr' has no '='; write NAME=VALUE"),
        ("train.epochs=2.5", r"train\.epochs is '2\.5'; it must be: whole number"),
        ("train.epochs=1_0", r"train\.epochs is '1_0'; it must be: whole number"),
        ("train.balanced=maybe", r"train\.balanced is 'maybe'; it must be: true or false"),
        ("model.classes=a,b", "model.classes cannot be set: the data set brings its classes"),
        ("model.video_dim=3", "model.video_dim cannot be set: the features have their own width"),
    ],
)
def test_wrong_pairs_are_answered_with_what_is_meant(pair, message):
    with pytest.raises(ConfigError, match=message):
        read_settings([pair])


def configs_of(file):
    given = read_settings((), file)
    return changed(TrainConfig(), part_of(given, "train")), changed(ModelConfig(), part_of(given, "model"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[train]\nlr = ", r"cannot read the settings .*; give TOML, such as train\.lr = 2e-5"),
        ("[train]\nlearning = 1\n", "there is no setting 'train.learning'"),
        ('[train]\nepochs = "3"\n', r"train\.epochs is '3'; it must be of type int"),
        ("[train]\nmilestones = [1.5]\n", r"milestones are \(1\.5,\); they must be ascending numbers of epochs"),
        ('[model]\ncvka.k = "3"\n', r"model\.cvka\.k is '3'; it must be of type int"),
        ("[model]\ncvka.k = 99\n", r"model\.cvka\.k is 99 but there are only 7 classes"),
        ("[train]\nseed = 9223372036854775808\n", r"train\.seed is 9223372036854775808; it must be below 2\*\*63"),
        ("[train]\nlr = inf\n", r"train\.lr is inf; it must be finite"),
        ("[model.cvka]\ntau = nan\n", r"model\.cvka\.tau is nan; it must be 1e-06 or more"),
    ],
)
def test_wrong_files_are_refused(text, message, tmp_path):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        configs_of(tmp_path / "a.toml")
    with pytest.raises(ConfigError, match=r"cannot read the settings .*absent\.toml"):
        read_settings((), tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("command", "option", "message"),
    [
        ("train", "--lr", r"--lr is no option of train: it is a setting, so write --set train\.lr=VALUE"),
        ("train", "--no-balanced", r"write --set train\.balanced=false"),
        ("train", "--dim=32", r"--dim is no option of train: .* --set model\.dim=VALUE"),
        ("ablate", "--batch-size", r"--set train\.batch_size=VALUE"),
    ],
)
def test_options_that_became_settings_say_so(command, option, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        invoke(command, option, "1", "--out", tmp_path)


def test_evaluation_takes_no_settings_of_training(tmp_path):
    told = invoke("evaluate", "--lr", "3")
    assert told.exit_code == 2
    assert "No such option: --lr" in told.stderr
    with pytest.raises(ConfigError, match=r"train\.lr cannot be set here, where nothing is trained"):
        invoke("evaluate", "--features", tmp_path, "--dataset", "xd-violence", "--model", "x", *sets("train.lr=1"))
