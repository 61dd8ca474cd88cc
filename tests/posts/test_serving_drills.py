"""The drills of the post serving: each keeps its promise, and each notices when what keeps it is taken away."""

import pytest
from posts.serving import calibration, drills, scene
from posts.serving.weights import random_model

BASE = random_model(0)
BASE.tokenizer.encode_special_tokens = True
MODEL = calibration.model(BASE, "int8")


@pytest.mark.parametrize("name", drills.DRILLS)
def test_a_drill_ends_as_promised_and_notices_sabotage(name, tmp_path):
    def row(control):
        made = scene.Scene(tmp_path / f"{name}{control}", BASE, MODEL, 0, 3, "tiny")
        return drills.DRILLS[name](made, control)

    assert row(False)["kept"] == 1
    assert row(True)["kept"] == 0
