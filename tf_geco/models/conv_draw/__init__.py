"""ConvDRAW, alone or with a context to predict from."""

from tf_geco.models.conv_draw.model import ConvDRAW

__all__ = ["ConvDRAW"]
