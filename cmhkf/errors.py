"""Errors a user can act on: each message names the value that is wrong and the next step."""


class CmhkfError(Exception):
    """Base of every error raised for a reason outside the code: a file, a setting, a checkpoint, an audio track."""


class MediaError(CmhkfError):
    """A video cannot be read: missing, empty, no frame, damaged, or beyond the limits for untrusted files."""


class ConfigError(CmhkfError):
    """A setting has a value that does not exist or does not fit its neighbours."""


class DataError(CmhkfError):
    """A data set's file cannot be read, or does not fit the features or the other files."""


class WeightsError(CmhkfError):
    """An encoder's weights are not on this machine, or the file found is not what it should be."""


class CheckpointError(CmhkfError):
    """A checkpoint or analysis file is missing, truncated, foreign or inconsistent."""


class RecipeMismatch(CheckpointError):
    """Features were made in another way than the checkpoint was trained on."""


class TrainingError(CmhkfError):
    """Training cannot go on."""
