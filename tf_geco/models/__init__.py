"""Models, and networks to make them of."""

from tf_geco.models.any_model import Constrained
from tf_geco.models.classifier import classifier
from tf_geco.models.constrained import ConstrainedModel
from tf_geco.models.conv_draw import ConvDRAW
from tf_geco.models.latent import LatentVariableModel
from tf_geco.models.networks import conv_networks, dense_networks
from tf_geco.models.resnet import resnet
from tf_geco.models.vae import VAE

__all__ = [
    "VAE",
    "Constrained",
    "ConstrainedModel",
    "ConvDRAW",
    "LatentVariableModel",
    "classifier",
    "conv_networks",
    "dense_networks",
    "resnet",
]
