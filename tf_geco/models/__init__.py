"""Models, and networks to make them of."""

from tf_geco.models.constrained import Constrained
from tf_geco.models.conv_draw import ConvDRAW
from tf_geco.models.latent_variable import LatentVariableModel
from tf_geco.models.vae import VAE
from tf_geco.networks import Gate, classifier, conv_networks, dense_networks, resnet
from tf_geco.training import ObjectiveModel

__all__ = [
    "VAE",
    "Constrained",
    "ConvDRAW",
    "Gate",
    "LatentVariableModel",
    "ObjectiveModel",
    "classifier",
    "conv_networks",
    "dense_networks",
    "resnet",
]
