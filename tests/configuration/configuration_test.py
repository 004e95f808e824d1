"""Bindings arrive where they belong, and a wrong one is answered by one clear sentence."""

import re
from pathlib import Path

import gin
import keras
import pytest

from pgtf import launch, parts
from pgtf.configuration import bindings, configuration
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant
from pgtf.trainers.trainer import Trainer

assert parts  # Registers every part.

APART = ("train", "runtime", "Evaluation", "Gaussian", "VarianceLaboratory", "lecture_combinations")
# Lines that serve only some of the files which go with them.
ELSEWHERE = {
    *("TOTAL_STEPS", "AsynchronousTrainer.environment", "EvolutionTrainer.environment"),
    *("SynchronousTrainer.jit_compile", "AsynchronousTrainer.jit_compile"),  # of envs/atari.gin
    *("EvolutionTrainer.jit_compile", "RayTrainer.jit_compile"),
    "VCritic.network",  # of the laboratory's combinations
    # Of A2C, and not of what is derived from it
    *("PolynomialDecay.initial_learning_rate", "TF1RMSprop.learning_rate", "JointLoss.weight"),
}


SHIPPED = sorted(
    str(path.relative_to(bindings.shipped_files()))
    for path in bindings.shipped_files().rglob("*.gin")
)


def runs() -> list[tuple[str, ...]]:
    """The gin files that come with pgtf, those of settings with each algorithm they are for."""
    asked: list[tuple[str, ...]] = []
    for file in SHIPPED:
        text = (bindings.shipped_files() / file).read_text()
        use = re.search(r"# Use: --gin_file=(\S+) .*?(?:\(or (.+)\))?\n", text)
        algorithms = [use[1], *re.findall(r"\S+\.gin", use[2] or "")] if use else []
        asked += [(each, file) for each in algorithms] if "/" in file else [(file,)]
    return asked


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def message_of(*parameters: str, files: tuple[str, ...] = ("a2c.gin",)) -> str:
    """What a user reads, who gives these flags."""
    with pytest.raises(ConfigurationError) as refused:
        launch.run(list(files), list(parameters), None)
    assert not Path("runs").exists(), "a run that cannot be leaves no folder behind"
    message = str(refused.value)
    assert "\n" not in message, "one sentence, not a report"
    assert "In call to" not in message, "gin's own words"
    return message


def test_missing_file_lists_the_files_there_are() -> None:
    Path("mine.gin").touch()

    message = message_of(files=("a2.gin",))

    assert "no gin file 'a2.gin'" in message
    assert "(mine.gin)" in message
    assert ", ".join(SHIPPED) in message


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("Lerner.discount = 1", "nothing called 'Lerner' to bind. Did you mean 'Learner'?"),
        ("Learner.critic = @VCrtic()", "nothing called 'VCrtic' to bind. Did you mean 'VCritic'?"),
        ("Learner.discont = 1", "Learner has no parameter 'discont'. Did you mean 'discount'?"),
        ("NStep.q = 1", "NStep has no parameter 'q'. It has: n."),
        ("Learner.discount = %DISCOUNT", "no macro is called DISCOUNT"),
        ("GymEnvironment.kwargs = {'x': [%NUM_ENV]}", "Did you mean 'NUM_ENVS'?"),
        ("import not_a_module", "No module named 'not_a_module'"),
        ("train.logdir = 'x'", "train has no parameter 'logdir'"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest_one(parameter: str, expected: str) -> None:
    message = message_of(parameter)

    assert message.startswith(f'--gin_param="{parameter}": ')
    assert expected in message


def test_name_that_two_modules_have_must_be_told_apart() -> None:
    gin.external_configurable(type("Adam", (), {}), name="Adam", module="my_parts")

    message = message_of("Learner.optimizer = @Adam()")

    gin.config._REGISTRY.pop("my_parts.Adam")  # gin has no public way to forget a name.
    assert "Ambiguous selector 'Adam'" in message
    assert "my_parts.Adam" in message
    assert "keras.optimizers.Adam" in message


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Learner.discount =", "Unable to parse value"),
        ("Learner.discount 3", "expected ':' or '='"),
        ("Learner.discount = (1,", "a bracket or a quote is not closed"),
        ("ENVIRONMENT = CartPole-v1", "CartPole has no meaning here; put text in quotes"),
        ("Learner.discont = 1", "Did you mean 'discount'?"),
        ("Learner.discount = 'high'", "Learner.discount must be a number, not 'high'"),
        ("include 'other.gin'", "no gin file 'other.gin'"),
        ("include 'mine.gin'", "mine.gin includes itself"),
    ],
)
def test_wrong_line_is_named_by_file_and_number(line: str, expected: str) -> None:
    Path("mine.gin").write_text(f"# Mine.\ninclude 'a2c.gin'\n\n{line}\n")

    message = message_of(files=("mine.gin",))

    assert message.startswith("mine.gin line 4: ")
    assert expected in message


def test_wrong_line_of_an_included_file_is_named_by_that_file() -> None:
    Path("inner.gin").write_text("include 'a2c.gin'\nLearner.discont = 1\n")
    Path("outer.gin").write_text("include 'inner.gin'\n")

    assert message_of(files=("outer.gin",)).startswith("inner.gin line 2: ")


def test_file_without_a_trainer_says_what_to_begin_with() -> None:
    Path("mine.gin").write_text("train.seed = 3\n")

    assert "begin your file with include 'a2c.gin'" in message_of(files=("mine.gin",))


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("Rollouts.num_steps = 'five'", "Rollouts.num_steps must be a whole number, not 'five'"),
        ("Rollouts.num_steps = 2.5", "must be a whole number, not 2.5"),
        ("GymEnvironment.id = 3", "GymEnvironment.id must be text in quotes, not 3"),
        ("NUM_ENVS = '8'", "NUM_ENVS (GymEnvironment.num_envs) must be a whole number, not '8'"),
        ("TOTAL_STEPS = 1e6", "must be a whole number, not 1000000.0. Write 1000000."),
        (
            "RMSprop.learning_rate = 'low'",
            "RMSprop.learning_rate must be a number or @Cosine",
        ),
        ("MLP.hidden = 64", "MLP.hidden must be a list or tuple"),
        ("Learner.policy = @VCritic()", "Learner.policy must be @Policy() or None, not @VCritic()"),
        ("Policy.head = @Softmax", "not @Softmax. Write @Softmax()."),
        ("Learner.critic = @Policy()", "Learner.critic must be @QCritic(), @VCritic() or None"),
        ("train.trainer = @Learner()", "train.trainer must be"),
        ("train.evaluation = 3", "train.evaluation must be @Evaluation() or None, not 3"),
        ("Learner.optimizer = 'adam'", "Learner.optimizer must be @Adadelta()"),
        ("GymEnvironment.wrappers = [@ClipReward()]", "with @ and no parentheses"),
    ],
)
def test_value_of_a_wrong_type_is_answered_with_the_right_one(
    parameter: str, expected: str
) -> None:
    message = message_of(parameter)

    assert message.startswith(f'--gin_param="{parameter}": ')
    assert expected in message


@pytest.mark.parametrize("count", [0, -1])
@pytest.mark.parametrize(
    ("name", "also"),
    [
        ("NUM_ENVS", ()),
        ("GymEnvironment.num_envs", ()),
        ("TOTAL_STEPS", ()),
        ("train.total_steps", ()),
        ("train.log_every", ()),
        ("train.num_seeds", ()),
        ("train.checkpoint_every", ()),
        ("Rollouts.num_steps", ()),
        ("Episodes.num_episodes", ("SynchronousTrainer.rollout = @Episodes()",)),
        ("Episodes.max_steps", ("SynchronousTrainer.rollout = @Episodes()",)),
        ("NStep.n", ("Learner.returns = @NStep()",)),
        ("Evaluation.every", ()),
        ("Evaluation.episodes", ()),
        ("Evaluation.final_episodes", ()),
        ("Evaluation.num_envs", ()),
        ("Evaluation.max_steps", ()),
        ("TimeDependent.max_time", ("Learner.baseline = @TimeDependent()",)),
        ("Regression.num_steps", ("VCritic.fit = @Regression()",)),
    ],
)
def test_count_that_is_not_positive_is_refused_by_its_name(
    name: str, also: tuple[str, ...], count: int
) -> None:
    message = message_of(f"{name} = {count}", *also)

    assert name in message
    assert "at least 1" in message or "must be > 0" in message


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [
        ("ENVIRONMENT = 'CartPol-v1'", "Did you mean CartPole-v1"),
        ("ENVIRONMENT = 'not_a_module:CartPole-v1'", "No module named 'not_a_module'"),
        ("GymEnvironment.kwargs = {'lenght': 2}", "unexpected keyword argument 'lenght'"),
        ("GymEnvironment.vectorization = 'threads'", "'threads'"),
        ("Policy.head = @Gaussian()", "bind Policy.head=@Softmax()"),
        ("Learner.critic = None", "Learner.returns = @MonteCarlo()"),
        ("Policy.head = @Deterministic()", "Deterministic has no score function"),
        ("Learner.discount = 1.5", "Learner.discount must be in [0, 1], not 1.5"),
        ("train.seed = -1", "train.seed must be from 0 to 2147483647, not -1"),
        ("MLP.activation = 'tahn'", "MLP.activation"),
    ],
)
def test_part_that_cannot_be_names_what_to_bind(parameter: str, expected: str) -> None:
    assert expected in message_of(parameter)


def test_keras_part_that_cannot_be_is_shown_with_its_bindings() -> None:
    message = message_of(
        "RMSprop.learning_rate = @PiecewiseConstantDecay()",
        "PiecewiseConstantDecay.boundaries = [10]",
        "PiecewiseConstantDecay.values = [0.5]",
    )

    assert message.startswith("PiecewiseConstantDecay cannot be made with")
    assert "boundaries = [10]" in message
    assert "values = [0.5]" in message


def test_part_that_calls_itself_is_refused() -> None:
    def endless():
        return gin.query_parameter("MLP.gain").scoped_configurable_fn()

    gin.external_configurable(endless, name="endless", module="my_parts")
    try:
        assert "has no end: a part of it calls itself" in message_of("MLP.gain = @endless()")
    finally:
        gin.config._REGISTRY.pop("my_parts.endless")


def test_missing_package_names_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "Box2D", None)  # As if it were not installed.

    assert "pip install 'pgtf[box2d]'" in message_of("ENVIRONMENT = 'LunarLander-v3'")


def test_later_bindings_win_and_flags_win_over_files() -> None:
    Path("mine.gin").write_text("include 'a2c.gin'\nNUM_ENVS = 3\nRollouts.num_steps = 4\n")

    configuration.load(["mine.gin"], ["Rollouts.num_steps = 6", "Rollouts.num_steps = 7"])

    assert configuration.bound("GymEnvironment.num_envs", None) == 3
    assert configuration.bound("Rollouts.num_steps", None) == 7
    assert configuration.bound("NStep.n", "unbound") == "unbound"


def test_file_in_the_current_folder_goes_before_the_shipped_one() -> None:
    Path("a2c.gin").write_text("Rollouts.num_steps = 9\n")

    configuration.load(["a2c.gin"], [])

    assert configuration.bound("Rollouts.num_steps", None) == 9
    assert configuration.bound("Learner.discount", None) is None


def test_configuration_can_be_written_down_and_read_again() -> None:
    first = configuration.load(["a2c.gin"], ["NUM_ENVS = 3", "MLP.hidden = (7, 5)"])
    Path("config.gin").write_text(first.text)
    gin.clear_config()

    second = configuration.load(["config.gin"], [])

    assert bindings.first_difference(first.text, second.text, ()) is None
    assert configuration.bound("MLP.hidden", None) == (7, 5)
    assert configuration.bound("GymEnvironment.num_envs", None) == 3


@pytest.mark.parametrize("files", runs(), ids=" ".join)
def test_shipped_file_is_made_without_a_warning_and_uses_all_its_lines(
    files: tuple[str, ...],
) -> None:
    if "envs/envpool.gin" in files:
        pytest.importorskip("envpool", reason="needs pgtf[envpool]")
    asked = configuration.load(files, [])

    assert isinstance(configuration.bound("train.trainer", None), Trainer)
    assert asked.warnings() == []
    used = gin.operative_config_str()
    own = [b for b in asked.bindings.values() if Path(b.source).name == Path(files[-1]).name]
    # Those that are used outside the trainer.
    unused = {
        b.key
        for b in own
        if b.key.replace("gin.", "") not in used and b.key.split(".")[0] not in APART
    }
    assert unused <= ELSEWHERE


def test_binding_that_nothing_uses_is_warned_about_by_file_and_line() -> None:
    Path("mine.gin").write_text("include 'a2c.gin'\n\nNStep.n = 3\nNUM_ENV = 3\n")
    asked = configuration.load(["mine.gin"], ["MonteCarlo/Learner.discount = 0.5"])
    assert configuration.bound("train.trainer", None)

    assert asked.warnings() == [
        "mine.gin line 3: nothing uses NStep.n.",
        "mine.gin line 4: nothing uses NUM_ENV. Did you mean 'NUM_ENVS'?",
        '--gin_param="MonteCarlo/Learner.discount = 0.5": nothing uses MonteCarlo/Learner.discount.'
        " Did you mean 'Learner.discount'?",
    ]


def test_keras_parts_are_bound_by_their_names_and_never_hide_a_part_of_pgtf() -> None:
    configuration.load(
        ["a2c.gin"],
        [
            "Learner.optimizer = @Adam()",
            "Adam.learning_rate = @CosineDecay()",
            "CosineDecay.initial_learning_rate = 0.25",
            "CosineDecay.decay_steps = 10",
            "Learner.baseline = @Constant()",
        ],
    )

    learner = configuration.bound("train.trainer", None).learner

    assert isinstance(learner.optimizer, keras.optimizers.Adam)
    assert float(learner.optimizer.learning_rate) == 0.25
    assert isinstance(learner.baseline, Constant)


def test_first_difference_looks_at_values_not_at_their_order_or_layout() -> None:
    one = "A.x = 1\nB.y = @C()\nM = 2\n"

    assert bindings.first_difference(one, "M=2\nB.y=@C()\n# remark\nA.x = \\\n 1", ()) is None
    assert bindings.first_difference(one, one.replace("1", "3"), ()) == ("A.x", "1", "3")
    assert bindings.first_difference(one, "A.x = 1\nM = 2", ()) == ("B.y", "@C()", "unbound")
    assert bindings.first_difference(one, one.replace("2", "5"), ("M",)) is None


def test_a_macro_is_the_same_as_its_value() -> None:
    one = "A.environment = @C()\nB.size = %N\nN = 2\n"
    other = "A.environment = %TASK\nTASK = @C()\nB.size = %N\nN = 2\n"

    assert bindings.first_difference(one, other, ()) is None
    assert bindings.first_difference(other, one, ()) is None
    changed = other.replace("@C()", "@D()")
    assert bindings.first_difference(one, changed, ()) == ("A.environment", "@C()", "%TASK")
    assert bindings.first_difference(other, changed, ()) == ("TASK", "@C()", "@D()")
    assert bindings.first_difference(one, one.replace("N = 2", "N = 3"), ()) == ("N", "2", "3")


@pytest.mark.parametrize(
    ("file", "trainer"),
    [
        ("a2c.gin", "SynchronousTrainer"),
        ("variance_slides.gin", "SynchronousTrainer"),
        ("a3c.gin", "AsynchronousTrainer"),
        ("cem.gin", "EvolutionTrainer"),
    ],
)
def test_one_binding_moves_an_algorithm_onto_another_task(file: str, trainer: str) -> None:
    configuration.load([file], ["TASK = @CompiledPendulum()"])

    made = configuration.bound("train.trainer", None)

    assert made.environment.name == "Pendulum-v1"
    assert made.environment.compiled
    with pytest.raises(ConfigurationError, match=rf"TASK \({trainer}\.environment\) must be @"):
        configuration.load([file], ["TASK = @MLP()"])


def test_a_file_that_binds_a_trainers_environment_itself_still_holds(tmp_path: Path) -> None:
    own = tmp_path / "own.gin"
    own.write_text("include 'a2c.gin'\nSynchronousTrainer.environment = @GymEnvironment()\n")

    configuration.load([str(own)], ["TASK = @CompiledPendulum()"])
    assert not configuration.bound("train.trainer", None).environment.compiled
    # As before, the file that comes later wins.
    configuration.load([str(own), "envs/compiled.gin"], [])
    assert configuration.bound("train.trainer", None).environment.compiled


def test_hyperparameters_are_what_was_asked_for_and_used() -> None:
    asked = (
        "pgtf.a.A.x = 1\nA.y = 0.5\nA.z = True\ns/B.p = @C()\nB.q = (1, 2)\nB.r = None\nM = 'm'\n"
        "N = %M\nB.s = %N\nD.unused = 3"
    )
    operative = "A.x=1\nA.y=1\nA.z=1\ns/B.p=1\nB.q=1\nB.r=1\nB.s=%N\nM=1\nN=1\nA.default = 7"

    assert bindings.hyperparameters(asked, operative) == {
        "A.x": 1,
        "A.y": 0.5,
        "A.z": True,
        "s/B.p": "@C()",
        "B.q": "(1, 2)",
        "B.r": "None",
        "B.s": "m",
    }


def test_a_part_made_in_a_macros_scope_uses_what_is_bound_without_it() -> None:
    used = bindings.used_keys("TASK/a.b.Env.size = 1\nouter/inner/Part.x = 2\nPlain.y = 3")
    assert {"Env.size", "TASK/Env.size", "Part.x", "inner/Part.x", "Plain.y"} <= used
    assert "outer/Part.x" not in used


def test_no_binding_of_the_environment_is_called_unused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = ["TOTAL_STEPS = 20", "NUM_ENVS = 2", "Evaluation.final_episodes = 1"]
    launch.run(["a2c.gin"], [*bound, "GymEnvironment.vectorization = 'loop'"], str(tmp_path))
    assert "nothing uses" not in capsys.readouterr().err
