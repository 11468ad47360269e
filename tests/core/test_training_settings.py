"""What a training can be asked for."""

from dataclasses import replace

import pytest

from crowdmask.core.errors import ErrorCode, InvalidInput
from crowdmask.core.training import Configuration, Device, TrainingSettings


def test_the_defaults_are_the_setting_of_the_paper() -> None:
    settings = TrainingSettings()
    assert (settings.configurations, settings.epochs, settings.folds) == ((Configuration.FULLRES,), 1000, ())
    assert (settings.iterations, settings.validation_iterations) == (250, 50)
    assert not settings.mirroring


def test_settings_come_back_from_json_as_they_were() -> None:
    settings = TrainingSettings(tuple(Configuration), (0, 2), 3, 4, Device.CPU, mirroring=True, small=True)
    assert TrainingSettings.from_json(settings.to_json()) == settings
    before = {**settings.to_json(), "configuration": "2d"}
    del before["configurations"]
    assert TrainingSettings.from_json(before) == replace(settings, configurations=(Configuration.FLAT,))


def test_the_result_is_the_only_configurations_or_the_ensembles() -> None:
    assert TrainingSettings((Configuration.FLAT,)).result is Configuration.FLAT
    assert TrainingSettings((Configuration.FLAT, Configuration.LOWRES)).result is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"iterations": 0},
        {"folds": (1, 1)},
        {"folds": (-1,)},
        {"epochs": 10**6},
        {"configurations": ()},
        {"configurations": (Configuration.FLAT, Configuration.FLAT)},
    ],
    ids=str,
)
def test_settings_that_cannot_be_trained_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        TrainingSettings(**wrong)
    assert refused.value.code is ErrorCode.OPTION_INVALID


def test_a_short_epoch_is_still_validated() -> None:
    assert TrainingSettings(iterations=3).validation_iterations == 1
