"""A step's score is the environment's own reward, and its episode may outlast a return."""

import tensorflow as tf

from pgtf.trajectory import PackedStep, TimeStep

NO = tf.constant([False])


def test_the_score_is_the_reward_unless_it_is_given() -> None:
    reward = tf.constant([3.0])
    step = TimeStep(tf.zeros((1, 2)), reward, NO, NO, mask=tf.ones((1,)))
    assert step.score is step.reward is reward
    changed = step._replace(reward=tf.constant([1.0]))
    assert isinstance(changed, TimeStep)
    assert changed.score is reward
    given = TimeStep(tf.zeros((1, 2)), reward, NO, NO, tf.ones((1,)), score=tf.constant([2.0]))
    assert (given.reward, given.score) == (3.0, 2.0)


def test_a_step_passes_through_graphs_and_nests() -> None:
    step = TimeStep(tf.zeros((1, 2)), tf.constant([3.0]), NO, NO, tf.ones((1,)), tf.constant([2.0]))
    doubled = tf.function(lambda s: s._replace(score=2.0 * s.score), autograph=False)(step)
    assert isinstance(doubled, TimeStep)
    assert (doubled.reward, doubled.score) == (3.0, 4.0)
    assert tf.nest.map_structure(lambda x: x, doubled).score == 4.0


def test_an_episode_ends_with_its_return_unless_that_is_told_apart() -> None:
    rows = [[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0]]
    step = PackedStep((), tf.constant(rows)).unpacked()
    assert step.ended.numpy().tolist() == [True, True, True]

    apart = [[3.0, 3.0, 3.0], [0.0, 1.0, 1.0]]
    step = PackedStep((), tf.constant(rows + apart)).unpacked()
    assert step.terminated.numpy().tolist() == [True, False, True]
    assert step.score.numpy().tolist() == [3.0, 3.0, 3.0]
    assert step.ended.numpy().tolist() == [False, True, True]
