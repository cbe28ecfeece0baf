"""Who the fuzz gives arguments to: each public class and function that people configure."""

import keras
from hypothesis import strategies as st

import tf_geco
from tests.constraints.cases import brightness
from tests.faults import made
from tests.faults import values as v
from tests.faults.uses import (
    Subject,
    as_prior,
    between,
    by,
    classified,
    fitted,
    given,
    images_of,
    of,
    parts,
    tolerance,
    under,
    with_features,
    with_networks,
    with_posterior,
)
from tf_geco import constraints, datasets, models, multipliers, posteriors

ASKED = {"tolerance": v.NUMBERS, "form": v.FORMS, "name": v.NAMES}
OPTIONS = {"scale": v.NUMBERS, "nats": v.NUMBERS, "proxy": v.FUNCTIONS, "where": v.FUNCTIONS}
PATCHES = {"patch_size": v.SIZES, "strides": v.SIZES, "epsilon": v.NUMBERS}
FUNCTION = {"fn": lambda: brightness, "name": lambda: "mine"}
CONSTRAINTS = {
    "ReconstructionError": Subject(
        constraints.ReconstructionError,
        under,
        {**ASKED, "reduction": st.sampled_from(["mean", "sum", "max"]) | v.ODD},
        tolerance(0.1),
    ),
    "FeatureReconstructionError": Subject(
        constraints.FeatureReconstructionError,
        under,
        {**ASKED, "features": v.LAYERS},
        tolerance(0.1),
    ),
    "LocalStatistics": Subject(constraints.LocalStatistics, with_features, PATCHES),
    "ClassificationAccuracy": Subject(
        constraints.ClassificationAccuracy,
        under,
        {
            **ASKED,
            "classifier": v.LAYERS,
            "from_logits": v.FLAGS,
            "strict": v.FLAGS,
            "proxy": st.sampled_from(["log_probability", "probability"]) | v.ODD,
        },
        tolerance(0.5, classifier=made.small_classifier),
    ),
    "PatchNCC": Subject(
        constraints.PatchNCC, under, {**ASKED, **PATCHES, "floor": v.NUMBERS}, tolerance(0.5)
    ),
    "NegativeLogLikelihood": Subject(
        constraints.NegativeLogLikelihood,
        under,
        {
            **ASKED,
            "likelihood": st.sampled_from(["bernoulli", "normal"]) | v.FUNCTIONS,
            "unit": st.sampled_from(["nats", "nats_per_dim", "bits"]) | v.ODD,
            "parameters": st.sampled_from(["reconstruction", "kl"]) | v.ODD,
            "scale": v.NUMBERS,
        },
        tolerance(9.0),
    ),
    "KLDivergence": Subject(constraints.KLDivergence, under, ASKED, tolerance(3.0)),
    "from_function": Subject(
        constraints.from_function,
        under,
        {**ASKED, **OPTIONS, "fn": v.FUNCTIONS},
        tolerance(0.4, **FUNCTION),
    ),
    "between": Subject(
        between,
        under,
        {"low": v.NUMBERS, "high": v.NUMBERS, "name": v.NAMES, **OPTIONS},
        given(low=lambda: 0.2, high=lambda: 0.4, name=lambda: "mine"),
    ),
    "equal_to": Subject(
        constraints.equal_to,
        under,
        {"value": v.NUMBERS, "width": v.NUMBERS, "name": v.NAMES, **OPTIONS},
        given(value=lambda: 0.3, **FUNCTION),
    ),
}
GECO = {
    "constraints": v.LISTS | v.ODD,
    "rule": v.RULES | v.ODD,
    "scaled": v.FLAGS,
    "decay": v.NUMBERS | st.just("auto"),
    "initial_multiplier": v.NUMBERS | st.just("auto"),
    "band": v.NUMBERS,
    "bounds": v.PAIRS,
    "cost": v.COSTS,
    "hold_on": st.sampled_from(["training", "test"]) | v.ODD,
    "name": v.NAMES,
}
ELBO = {"sigma": v.NUMBERS | st.just("optimal"), "beta": v.NUMBERS, "decay": v.NUMBERS}
FLOW = {"couplings": v.SIZES, "hidden": v.WIDTHS, "max_log_scale": v.NUMBERS}
LATENTS = {"latent_dim": v.SIZES, "name": v.NAMES}
three = given(latent_dim=lambda: 3)
constrained = given(constraints=lambda: [v.error()])
OBJECTIVES = {
    "GECO": Subject(tf_geco.GECO, of, GECO, constrained),
    "algorithm_1": Subject(tf_geco.GECO.algorithm_1, of, {**GECO, "rate": v.NUMBERS}, constrained),
    "ELBO": Subject(tf_geco.ELBO, of, {**ELBO, "name": v.NAMES}),
    "PlannedPace": Subject(multipliers.PlannedPace, by, {"gain": v.NUMBERS, "share": v.NUMBERS}),
    "Exponential": Subject(multipliers.Exponential, by, {"rate": v.NUMBERS}),
    "DiagonalNormal": Subject(
        posteriors.DiagonalNormal, with_posterior, {**LATENTS, "max_log_scale": v.NUMBERS}, three
    ),
    "RealNVP": Subject(
        posteriors.RealNVP,
        with_posterior,
        {**LATENTS, **FLOW},
        given(latent_dim=lambda: 3, hidden=lambda: 4),
    ),
    "StandardNormal": Subject(posteriors.StandardNormal, as_prior, LATENTS, three),
}
SHAPED = {"image_shape": v.SHAPES, "latent_dim": v.SIZES}
PRESET = given(image_shape=lambda: made.IMAGES, latent_dim=lambda: 3, hidden=lambda: [4])
CONV = given(
    image_shape=lambda: made.IMAGES, latent_dim=lambda: 3, filters=lambda: (2, 3), hidden=lambda: 4
)
CLASSIFIER = {
    "image_shape": v.SHAPES,
    "classes": v.SIZES,
    "filters": v.WIDTHS,
    "learning_rate": v.RATES,
}
SMALL = given(image_shape=lambda: made.IMAGES, classes=lambda: 2, filters=lambda: (2, 3))
MODEL = {"objective": v.OBJECTIVES, "seed": v.SEEDS, "max_skipped": v.SIZES, "name": v.NAMES}
DRAW = {
    **dict.fromkeys(("steps", "latent_channels", "hidden_channels", "kernel_size"), v.SIZES),
    **dict.fromkeys(("share_weights", "learn_sigma", "unroll", "rematerialize"), v.FLAGS),
    "image_shape": v.SHAPES,
    "representation": v.LAYERS,
    "context_shape": v.SHAPES,
    **MODEL,
}
TINY = given(
    image_shape=lambda: made.IMAGES,
    objective=made.geco,
    steps=lambda: 2,
    latent_channels=lambda: 1,
    hidden_channels=lambda: 2,
    kernel_size=lambda: 3,
)
VAE = {
    "encoder": v.LAYERS,
    "decoder": v.LAYERS,
    "posterior": v.POSTERIORS,
    "prior": v.LAYERS,
    **MODEL,
}
TOY = given(network=made.small_classifier, cost=lambda: "mse", objective=made.on_outputs)
MODELS = {
    "VAE": Subject(tf_geco.VAE, images_of, VAE, parts),
    "ConvDRAW": Subject(tf_geco.ConvDRAW, made.drawn, DRAW, TINY),
    "Constrained": Subject(
        models.Constrained,
        images_of,
        {
            "network": v.LAYERS,
            "cost": st.sampled_from(["mse", "mae", keras.losses.MeanSquaredError()]) | v.FUNCTIONS,
            **{name: MODEL[name] for name in ("objective", "max_skipped", "name")},
        },
        TOY,
    ),
    "dense_networks": Subject(
        models.dense_networks, with_networks, {**SHAPED, "hidden": v.WIDTHS}, PRESET
    ),
    "conv_networks": Subject(
        models.conv_networks,
        with_networks,
        {**SHAPED, "hidden": v.SIZES, "filters": v.WIDTHS, "kernel_size": v.SIZES},
        CONV,
    ),
    "classifier": Subject(models.classifier, classified, {**CLASSIFIER, "hidden": v.SIZES}, SMALL),
    "resnet": Subject(models.resnet, classified, {**CLASSIFIER, "blocks": v.SIZES}, SMALL),
}
POINTS = {
    "name": st.sampled_from(["mixture_of_lines", "mixture_of_circles", "no"]) | v.ODD,
    "batch_size": v.SIZES,
    "split": st.sampled_from(["train", "test", "all"]) | v.ODD,
    "seed": v.SEEDS,
    "components": v.SIZES,
    "size": v.SIZES,
    "noise": v.NUMBERS,
}
CALLBACK = {
    "every": v.SIZES,
    "patience": v.SIZES,
    "min_delta": v.NUMBERS,
    "restore_best_weights": v.FLAGS,
    "log_dir": v.ODD,
    "images": v.ARRAYS,
    "csv": v.ODD,
}
FROM_ARRAYS = {
    "x": v.ARRAYS,
    "y": v.ARRAYS,
    "batch_size": v.SIZES,
    "training": v.FLAGS,
    "seed": v.SEEDS,
}
OTHERS = {
    "fit": Subject(
        dict,
        fitted,
        {"x": v.DATA, "y": v.MASKS, "sample_weight": v.DATA},
        given(x=made.images),
    ),
    "GECOCallback": Subject(tf_geco.GECOCallback, made.watched, CALLBACK),
    "load": Subject(datasets.load, made.taken, POINTS, given(name=lambda: "mixture_of_lines")),
    "from_arrays": Subject(
        datasets.from_arrays, made.taken, FROM_ARRAYS, given(x=made.images, batch_size=lambda: 2)
    ),
}
SUBJECTS = CONSTRAINTS | OBJECTIVES | MODELS | OTHERS
