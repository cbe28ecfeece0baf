"""The law of resuming: a training that was killed ends as one that was not, bit for bit."""

import keras
import numpy as np
import pytest

import tf_geco
from tests.catalogue import MODELS, batches, dense_vae, geco, models
from tests.training.recomputed import assert_same_weights
from tf_geco.constraints import NegativeLogLikelihood, ReconstructionError

EPOCHS, STEPS = 5, 2


class KilledError(Exception):
    """Ends a training as a signal would, in the middle of an epoch."""


class Kill(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.armed = epoch == self.epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.armed:
            raise KilledError


def run(case, folder, *more, **options):
    """Trains from the start of a script, with all that a callback may remember."""
    keras.utils.set_random_seed(3)
    model = case.compiled(jit_compile=False)
    watch = tf_geco.GECOCallback(
        every=1, patience=50, restore_best_weights=True, checkpoint=str(folder / "best.keras")
    )
    backup = tf_geco.callbacks.Backup(str(folder / "backup.weights.h5"))
    callbacks = [backup, watch, *more]  # in the order that is hardest
    data = batches(case.data(40)).repeat() if "steps_per_epoch" in options else batches(case.data())
    model.fit(data, epochs=EPOCHS, verbose=0, callbacks=callbacks, **options)
    return model, watch


STREAM = {"steps_per_epoch": STEPS}


def test_a_killed_training_of_data_that_end_goes_on(tmp_path):
    assert_a_killed_training_ends_as_one_that_was_not("dense", tmp_path)


@pytest.mark.parametrize("name", models())
def test_a_killed_training_ends_as_one_that_was_not(name, tmp_path):
    assert_a_killed_training_ends_as_one_that_was_not(name, tmp_path, **STREAM)


def assert_a_killed_training_ends_as_one_that_was_not(name, tmp_path, **options):
    case = MODELS[name]
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    whole, watched = run(case, folders[0], **options)
    for epoch in (2, 3) if name == "dense" else (2,):
        with pytest.raises(KilledError):
            run(case, folders[1], Kill(epoch), **options)
    resumed, watch = run(case, folders[1], **options)
    # Threads add the gradients of ConvDRAW's steps in any order; of all others bit for bit.
    tolerance = 1e-4 if "draw" in case.build().name else 0
    assert_same_weights(whole, resumed, rtol=tolerance, atol=tolerance)
    slots = zip(whole.optimizer.variables, resumed.optimizer.variables, strict=True)
    for a, b in slots:
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    record = watched.trajectory.arrays()
    assert record.pop("names").tolist() == watch.trajectory.names
    for part, column in record.items():
        found = watch.trajectory.arrays()[part]
        np.testing.assert_allclose(found, column, rtol=tolerance, atol=tolerance)
    assert (watch.best_epoch, watch._best.waited) == (watched.best_epoch, watched._best.waited)
    expected = np.array(watched._seen)
    assert watch._seen == pytest.approx(expected, rel=max(tolerance, 1e-12), nan_ok=True)


def test_a_finished_training_is_not_repeated(tmp_path):
    case = MODELS["dense"]
    first, _ = run(case, tmp_path)
    with pytest.warns(UserWarning, match="training is finished.*runs no epoch"):
        second, _ = run(case, tmp_path)
    assert_same_weights(first, second, rtol=0, atol=0)
    assert int(second.objective.step) == int(first.objective.step)


def test_a_model_without_weights_is_refused(tmp_path):
    networks = tf_geco.models.dense_networks((6,), latent_dim=2, hidden=(8,))
    encoder = keras.Sequential([keras.layers.Dense(4)])
    posterior = tf_geco.posteriors.DiagonalNormal(2)
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    model = tf_geco.VAE(encoder, networks[1], posterior, objective)
    model.compile("adam")
    backup = tf_geco.callbacks.Backup(str(tmp_path / "backup.weights.h5"))
    with pytest.raises(ValueError, match="test_on_batch"):
        model.fit(MODELS["dense"].data(), verbose=0, callbacks=[backup])


def test_names_of_files_are_checked():
    with pytest.raises(ValueError, match=r"weights\.h5"):
        tf_geco.callbacks.Backup("backup")
    with pytest.raises(ValueError, match="`checkpoint` must end"):
        tf_geco.GECOCallback(checkpoint="best")


@pytest.mark.parametrize("kind", ["model.keras", "model.weights.h5"])
def test_a_file_is_whole_or_as_it_was(kind, tmp_path, monkeypatch):
    """A write that ends in the middle leaves the file before it."""
    model = MODELS["dense"].compiled()
    path = tmp_path / kind
    write = model.save if kind.endswith(".keras") else model.save_weights
    write(path)
    before = path.read_bytes()

    def killed(store):
        raise KilledError

    monkeypatch.setattr(model.encoder, "save_own_variables", killed)
    with pytest.raises(KilledError):
        write(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_best_model_is_the_one_in_the_file(tmp_path):
    case, path = MODELS["dense"], tmp_path / "best.keras"
    model = case.compiled()
    callback = tf_geco.GECOCallback(checkpoint=str(path), restore_best_weights=True)
    history = model.fit(batches(case.data()), epochs=6, verbose=0, callbacks=[callback]).history
    assert callback.best_epoch == int(np.argmin(history["rank"]))
    best = keras.models.load_model(path)
    for a, b in zip(best.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rank_orders_feasible_epochs_first(tmp_path):
    rank = tf_geco.callbacks.best.rank_of
    feasible = [rank(True, cost, 0.04) for cost in (-5.0, 0.0, 3.0, 40.0, 1e6)]
    others = [rank(False, cost, excess) for cost, excess in ((1.0, 0.06), (0.0, 0.5), (9.0, 70.0))]
    assert feasible + others == sorted(feasible + others)
    assert max(feasible) < 1.0 <= min(others)
    assert rank(True, np.nan, 0.0) == rank(False, 1.0, np.nan) == np.inf


def test_a_training_that_patience_stopped_stays_stopped(tmp_path):
    def fit():
        keras.utils.set_random_seed(3)
        model = MODELS["dense"].compiled(jit_compile=False)
        watch = tf_geco.GECOCallback(patience=2, min_delta=100.0, restore_best_weights=True)
        backup = tf_geco.callbacks.Backup(str(tmp_path / "backup.weights.h5"))
        model.objective.band = 1e6  # any error is feasible
        data = batches(MODELS["dense"].data())
        history = model.fit(data, epochs=9, verbose=0, callbacks=[backup, watch])
        return model, history.epoch, watch.best_epoch

    first, epochs, best = fit()
    with pytest.warns(UserWarning, match="training is finished"):
        again, none, same = fit()
    assert (len(epochs), none) == (3, [])
    assert same == best
    assert_same_weights(first, again, rtol=0, atol=0)


def test_what_a_backup_cannot_keep_is_refused_or_said(tmp_path):
    case = MODELS["dense"]
    file = str(tmp_path / "backup.weights.h5")
    own = keras.Sequential([keras.Input((6,)), keras.layers.Dense(6)])
    own.compile("adam", "mse")
    with pytest.raises(ValueError, match="for the models of tf_geco"):
        own.fit(case.data(), case.data(), verbose=0, callbacks=[tf_geco.callbacks.Backup(file)])
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model = case.compiled()
    with pytest.raises(ValueError, match="SwapEMAWeights"):
        model.fit(case.data(), verbose=0, callbacks=[tf_geco.callbacks.Backup(file), swap])

    def endless():
        while True:
            yield (case.data(8),)

    backup, options = tf_geco.callbacks.Backup(file), {"steps_per_epoch": 2, "verbose": 0}
    model.fit(batches(case.data()).repeat(), callbacks=[backup], **options)
    with pytest.warns(UserWarning, match=r"only: these data are read.*generator"):
        model.fit(endless(), epochs=2, callbacks=[backup], **options)


def test_a_file_of_another_training_is_refused_or_said(tmp_path):
    case, file = MODELS["dense"], tmp_path / "backup.weights.h5"

    def trained(tolerance):
        model = dense_vae(geco(tolerance))
        model.compile("adam", jit_compile=False)
        model.test_on_batch(case.data())
        model.fit(case.data(), verbose=0, callbacks=[tf_geco.callbacks.Backup(str(file))])
        return model

    model = trained(0.1)
    with pytest.warns(UserWarning, match="training is finished"):
        trained(0.1)
    with pytest.warns(UserWarning, match=r"asked for \[0.1\].*Received: tolerances of \[0.2\]"):
        trained(0.2)
    model.save_weights(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="holds weights alone"):
        trained(0.1)
    assert file.read_bytes() == before
    file.write_bytes(before[: len(before) // 2])
    with pytest.raises(ValueError, match=r"cannot be read.*Received: filepath"):
        trained(0.1)


@pytest.mark.parametrize("given", [["b", "a"], ["a", "c"], ["a"]])
def test_multipliers_are_no_other_constraints(given, tmp_path):
    def model(names):
        model = dense_vae(tf_geco.GECO([ReconstructionError(0.1, name=name) for name in names]))
        model.compile("adam")
        model.test_on_batch(MODELS["dense"].data())
        return model

    file = tmp_path / "backup.weights.h5"
    model(["a", "b"]).save_weights(file)
    model(["a", "b"]).load_weights(file)
    with pytest.raises(ValueError, match=r"of other constraints.*\['a <=', 'b <='\]"):
        model(given).load_weights(file)


def test_links_and_permissions_stay(tmp_path):
    model, target, link = MODELS["dense"].compiled(), tmp_path / "v.keras", tmp_path / "l.keras"
    model.save(target)
    target.chmod(0o640)
    link.symlink_to(target)
    model.save(link)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640


def test_callbacks_before_it_see_what_the_callback_logs(tmp_path):
    model, file = MODELS["dense"].compiled(), tmp_path / "{rank:.3f}.keras"
    options = {"monitor": "rank", "mode": "min", "save_best_only": True}
    keep = keras.callbacks.ModelCheckpoint(file, **options)
    history = model.fit(
        batches(MODELS["dense"].data()), verbose=0, callbacks=[keep, tf_geco.GECOCallback()]
    ).history
    assert [path.name for path in tmp_path.iterdir()] == [f"{history['rank'][0]:.3f}.keras"]


def test_a_list_of_callbacks_need_not_know_the_epochs():
    model = MODELS["dense"].compiled()
    callbacks = keras.callbacks.CallbackList([], add_history=True, model=model)
    model.fit(batches(MODELS["dense"].data()), epochs=2, verbose=0, callbacks=callbacks)
    assert int(model.objective.step) == 6


def test_what_a_file_carries_goes_into_no_other(tmp_path):
    """A backup that is loaded by hand is weights: files written later are no backups."""
    case = MODELS["dense"]
    model = case.compiled(jit_compile=False)
    first, second = (str(tmp_path / f"{name}.weights.h5") for name in ("first", "second"))
    model.fit(case.data(), verbose=0, callbacks=[tf_geco.callbacks.Backup(first)])
    model.load_weights(first)
    model.save_weights(second)
    with pytest.raises(ValueError, match="holds weights alone"):
        model.fit(case.data(), verbose=0, callbacks=[tf_geco.callbacks.Backup(second)])


def test_a_tolerance_that_a_callback_changed_is_asked_for_again(tmp_path):
    class Tighten(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.objective.constraints[0].tolerance = 0.2

    def script(folder, *more):
        folder.mkdir(exist_ok=True)
        keras.utils.set_random_seed(3)
        model = dense_vae(geco(0.4))
        model.compile("adam", jit_compile=False)
        model.test_on_batch(MODELS["dense"].data())
        backup = tf_geco.callbacks.Backup(str(folder / "b.weights.h5"))
        model.fit(
            batches(MODELS["dense"].data()),
            epochs=5,
            verbose=0,
            callbacks=[backup, Tighten(), *more],
        )
        return model

    whole = script(tmp_path / "whole")
    for epoch in (3, 4):  # killed twice
        with pytest.raises(KilledError):
            script(tmp_path / "killed", Kill(epoch))
    resumed = script(tmp_path / "killed")
    assert resumed.objective.constraints[0].tolerance == 0.2
    assert_same_weights(resumed, whole, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            lambda: NegativeLogLikelihood(2.0),
            lambda: NegativeLogLikelihood(2.0, unit="nats_per_dim"),
        ),
        (lambda: ReconstructionError(0.1), lambda: ReconstructionError(0.1, reduction="sum")),
    ],
    ids=["unit", "reduction"],
)
def test_averages_are_of_no_other_unit(one, other, tmp_path):
    file, data = str(tmp_path / "a.weights.h5"), MODELS["dense"].data()
    models = [dense_vae(tf_geco.GECO([make()])) for make in (one, other)]
    for model in models:
        model(data)
    models[0].save_weights(file)
    models[0].load_weights(file)
    with pytest.raises(ValueError, match="multipliers of other constraints"):
        models[1].load_weights(file)


def test_two_trainings_of_one_script_share_a_file(tmp_path):
    """The second begins with what a callback of the first had changed, and so does a rerun."""
    file, data = str(tmp_path / "b.weights.h5"), batches(MODELS["dense"].data())

    class Tighten(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.objective.constraints[0].tolerance = 0.2

    def script(epochs):
        model = dense_vae(geco(0.4))
        model.compile("adam", jit_compile=False)
        model.test_on_batch(MODELS["dense"].data())
        asked = []
        for number, more in zip(epochs, ([Tighten()], []), strict=True):
            callbacks = [tf_geco.callbacks.Backup(file), *more]
            model.fit(data, epochs=number, verbose=0, callbacks=callbacks)
            asked.append(model.objective.constraints[0].tolerance)
        return asked

    assert script((1, 2)) == [0.2, 0.2]
    with pytest.warns(UserWarning, match="training is finished"):
        assert script((1, 3)) == [0.2, 0.2]
