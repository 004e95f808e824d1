"""MuJoCo's warnings, each told once."""

from collections.abc import Iterator

import mujoco
import pytest

from pgtf.environments import mujoco_warnings


@pytest.fixture(autouse=True)
def _no_handler() -> Iterator[None]:
    mujoco.set_mju_user_warning(None)
    yield
    mujoco.set_mju_user_warning(None)


def test_a_warning_is_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    model = "<mujoco><compiler settotalmass='1'/><worldbody><body><freejoint/>{}</body></worldbody>"
    geom = "<geom size='1'/>"
    mujoco_warnings.tell_once()
    for _ in range(2):
        mujoco.MjModel.from_xml_string(model.format(geom) + "</mujoco>")
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "settotalmass" in lines[0]


def test_the_users_own_handler_stays() -> None:
    heard: list[str] = []
    mujoco.set_mju_user_warning(heard.append)
    mujoco_warnings.tell_once()
    mujoco.get_mju_user_warning()("loud")
    assert heard == ["loud"]
