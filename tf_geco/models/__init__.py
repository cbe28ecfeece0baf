"""Models, and networks to make them of."""

from tf_geco.models.constrained import ConstrainedModel
from tf_geco.models.latent import LatentVariableModel
from tf_geco.models.networks import conv_networks, dense_networks
from tf_geco.models.vae import VAE

__all__ = ["VAE", "ConstrainedModel", "LatentVariableModel", "conv_networks", "dense_networks"]
