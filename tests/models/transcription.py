"""ConvDRAW as the papers write it, in NumPy."""

import numpy as np


def images(n=3, shape=(7, 6, 1)):
    return np.random.default_rng(1).random((n, *shape)).astype("float32")


def randomised(model):
    """The model with weights large enough that every part of the recurrence matters."""
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    return model


class Transcription:
    """ConvDRAW in NumPy, float64, from the weights of a model and nothing else of it."""

    def __init__(self, model):
        cell = model.network.cells[0]
        self.hidden, self.shape = model.sizes["hidden_channels"], model.image_shape
        parts = {
            "encoder": cell.encoder.gates,
            "decoder": cell.decoder.gates,
            "posterior": cell.to_posterior,
            "prior": cell.to_prior,
            "write": cell.write,
            "image": cell.image_view,
        }
        self.weights = {k: [w.numpy().astype(float) for w in p.weights] for k, p in parts.items()}

    def conv(self, name, *inputs):
        x, (kernel, *bias) = np.concatenate(inputs, axis=-1), self.weights[name]
        size = len(kernel)
        low = (size - 1) // 2
        padded = np.pad(x, [(0, 0), (low, size - 1 - low), (low, size - 1 - low), (0, 0)])
        height, width = x.shape[1:3]
        shifts = [
            padded[:, i : i + height, j : j + width] @ kernel[i, j]
            for i in range(size)
            for j in range(size)
        ]
        return sum(shifts) + (bias[0] if bias else 0)

    def normal(self, *parameters):
        mean, raw = np.split(self.conv(*parameters), 2, axis=-1)
        bound = np.where(raw > 0, 1.0, 10.0)
        return mean, np.exp(bound * np.tanh(raw / bound))

    def lstm(self, name, inputs, state, view=0.0):
        output, memory = state
        write, keep, show, new = np.split(self.conv(name, *inputs, output) + view, 4, axis=-1)
        memory = sigmoid(keep + 1) * memory + sigmoid(write) * np.tanh(new)
        return sigmoid(show) * np.tanh(memory), memory

    def fold(self, x):
        b, height, width, channels = x.shape
        x = np.pad(x, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)])
        blocks = x.reshape(b, (height + 1) // 2, 2, (width + 1) // 2, 2, channels)
        return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(b, *blocks.shape[1:4:2], 4 * channels)

    def unfold(self, canvas):
        b, height, width, channels = canvas.shape
        blocks = canvas.reshape(b, height, width, 2, 2, channels // 4).transpose(0, 1, 3, 2, 4, 5)
        return blocks.reshape(b, 2 * height, 2 * width, -1)[:, : self.shape[0], : self.shape[1]]

    def __call__(self, x, noise):
        x = self.fold(x.astype(float))
        zeros = np.zeros((*x.shape[:3], self.hidden))
        canvas, encoder, decoder, kls = np.zeros_like(x), (zeros, zeros), (zeros, zeros), []
        for eps in noise:
            error = x - sigmoid(canvas)
            view = self.conv("image", x)
            encoder = self.lstm("encoder", [error, decoder[0]], encoder, view)
            mean, scale = self.normal("posterior", encoder[0])
            prior_mean, prior_scale = self.normal("prior", decoder[0])
            ratio = scale / prior_scale
            gap = (mean - prior_mean) / prior_scale
            kls.append((0.5 * (ratio**2 + gap**2 - 1) - np.log(ratio)).sum((1, 2, 3)))
            decoder = self.lstm("decoder", [mean + scale * eps, canvas], decoder)
            canvas = canvas + self.conv("write", decoder[0])
        return sigmoid(self.unfold(canvas)), np.stack(kls, axis=1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
