"""Many threads find what one thread finds."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.catalogue import MODELS, NETWORKS, every
from tests.faults.threads import assert_same, at_once, decoded, sampled, seeded, trainings

every_network = every(NETWORKS)
SEEDS = range(16)


@every_network
def test_seeded_calls_from_many_threads_are_those_of_one(case):
    model = case.compiled()
    for call in seeded(case, model).values():
        assert_same(at_once(call, SEEDS), [call(seed) for seed in SEEDS])


@every_network
def test_no_two_threads_draw_the_same_noise(case):
    model = case.compiled()
    drawn = at_once(lambda _: model.sample(**case.given(2)).numpy().tobytes(), range(64))
    assert len(set(drawn)) == len(drawn)


@every_network
def test_exported_signatures_serve_many_threads(case, tmp_path):
    model = case.compiled()
    model.export(str(tmp_path))
    served = tf.saved_model.load(str(tmp_path))
    decode = decoded(served, case, model)
    assert_same(at_once(decode, SEEDS), [decode(number) for number in SEEDS])
    drawn = at_once(sampled(served, case), range(64))
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("name", ["dense", "users_networks", "flow", "annealed_elbo"])
def test_two_models_train_in_two_threads_as_one_after_the_other(name):
    case = MODELS[name]

    def pair():
        made = []
        for seed in (3, 4):
            keras.utils.set_random_seed(seed)
            made.append(case.compiled())
        return made

    in_turn, at_a_time = pair(), pair()
    expected, found = trainings(case, in_turn, 1), trainings(case, at_a_time, 2)
    assert_same(found, expected)
    for one, other in zip(in_turn, at_a_time, strict=True):
        assert_same(one.get_weights(), other.get_weights())
    weights = (model.get_weights() for model in in_turn)
    assert not all(np.array_equal(*pair) for pair in zip(*weights, strict=True))
