"""Networks to make models of, for people without their own."""

from tf_geco.networks.gate import Gate
from tf_geco.networks.image_classifier import classifier
from tf_geco.networks.presets import conv_networks, dense_networks
from tf_geco.networks.residual import resnet

__all__ = ["Gate", "classifier", "conv_networks", "dense_networks", "resnet"]
