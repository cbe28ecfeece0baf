"""The same ConvDRAW written by hand, in TensorFlow and in PyTorch, for `conv_draw.py`."""

import keras
import numpy as np
import tensorflow as tf

SIGMA = 0.1


def kernels(sizes, channels=1):
    """Returns name -> (kernel [k, k, in, out], has bias), Glorot-initialised."""
    k, z, h = sizes["kernel_size"], sizes["latent_channels"], sizes["hidden_channels"]
    canvas = 4 * channels
    shapes = {
        "image": (canvas, 4 * h),
        "encoder": (canvas + 2 * h, 4 * h),
        "decoder": (z + canvas + h, 4 * h),
        "posterior": (h, 2 * z),
        "prior": (h, 2 * z),
        "write": (h, canvas),
    }
    rng = np.random.default_rng(0)

    def glorot(fan_in, fan_out):
        limit = np.sqrt(6 / (k * k * (fan_in + fan_out)))
        return rng.uniform(-limit, limit, (k, k, fan_in, fan_out)).astype("float32")

    return {name: glorot(*shape) for name, shape in shapes.items()}


def tensorflow_step(sizes):
    """Returns a compiled training step, images `[B, 28, 28, 1]` -> loss."""
    weights = {name: tf.Variable(kernel) for name, kernel in kernels(sizes).items()}
    biases = {n: tf.Variable(tf.zeros(w.shape[-1])) for n, w in weights.items() if n != "image"}
    variables = [*weights.values(), *biases.values()]
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(variables)

    def conv(name, x):
        y = tf.nn.conv2d(x, weights[name], 1, "SAME")
        return tf.nn.bias_add(y, biases[name]) if name in biases else y

    def lstm(name, inputs, output, memory, view=0.0):
        gates = conv(name, tf.concat([*inputs, output], -1)) + view
        write, keep, show, new = tf.split(gates, 4, -1)
        memory = tf.sigmoid(keep + 1) * memory + tf.sigmoid(write) * tf.tanh(new)
        return tf.sigmoid(show) * tf.tanh(memory), memory

    def normal(name, x):
        mean, raw = tf.split(conv(name, x), 2, -1)
        return mean, 10 * tf.tanh(raw / 10)

    def loss_of(images):
        x = tf.nn.space_to_depth(images, 2)
        view = conv("image", x)
        b, canvas = tf.shape(images)[0], tf.zeros_like(x)
        zeros = tf.zeros([b, 14, 14, sizes["hidden_channels"]])
        enc = dec = (zeros, zeros)
        kl = 0.0
        for _ in range(sizes["steps"]):
            enc = lstm("encoder", [x - tf.sigmoid(canvas), dec[0]], *enc, view)
            mean, log_scale = normal("posterior", enc[0])
            prior_mean, prior_log_scale = normal("prior", dec[0])
            scale = tf.exp(log_scale)
            ratio = log_scale - prior_log_scale
            gap = (mean - prior_mean) * tf.exp(-prior_log_scale)
            kl += tf.reduce_sum(0.5 * (tf.exp(2 * ratio) + gap**2 - 1) - ratio) / tf.cast(
                b, tf.float32
            )
            z = mean + scale * tf.random.normal(tf.shape(mean))
            dec = lstm("decoder", [z, canvas], *dec)
            canvas += conv("write", dec[0])
        error = tf.reduce_mean((x - tf.sigmoid(canvas)) ** 2)
        return kl + 784 / 2 * error / SIGMA**2

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            loss = loss_of(images)
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def torch_step(sizes, *, channels_last):
    """Returns a training step, NumPy images `[B, 28, 28, 1]` -> loss."""
    import torch  # noqa: PLC0415
    from torch import nn  # noqa: PLC0415
    from torch.nn import functional as F  # noqa: N812, PLC0415

    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    convs = nn.ModuleDict()
    for name, kernel in kernels(sizes).items():
        size, _, fan_in, fan_out = kernel.shape
        convs[name] = nn.Conv2d(fan_in, fan_out, size, padding="same", bias=name != "image")
        with torch.no_grad():
            convs[name].weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))
            if convs[name].bias is not None:
                convs[name].bias.zero_()
    convs = convs.to(memory_format=memory_format)
    optimizer = torch.optim.Adam(convs.parameters(), 1e-3)

    def lstm(name, inputs, output, memory, view=0.0):
        gates = convs[name](torch.cat([*inputs, output], 1)) + view
        write, keep, show, new = gates.chunk(4, 1)
        memory = torch.sigmoid(keep + 1) * memory + torch.sigmoid(write) * torch.tanh(new)
        return torch.sigmoid(show) * torch.tanh(memory), memory

    def normal(name, x):
        mean, raw = convs[name](x).chunk(2, 1)
        return mean, 10 * torch.tanh(raw / 10)

    def step(images):
        images = torch.from_numpy(images).permute(0, 3, 1, 2)
        x = F.pixel_unshuffle(images, 2).contiguous(memory_format=memory_format)
        view = convs["image"](x)
        canvas = torch.zeros_like(x)
        zeros = torch.zeros(len(x), sizes["hidden_channels"], 14, 14)
        zeros = zeros.contiguous(memory_format=memory_format)
        enc = dec = (zeros, zeros)
        kl = 0.0
        for _ in range(sizes["steps"]):
            enc = lstm("encoder", [x - torch.sigmoid(canvas), dec[0]], *enc, view)
            mean, log_scale = normal("posterior", enc[0])
            prior_mean, prior_log_scale = normal("prior", dec[0])
            ratio = log_scale - prior_log_scale
            gap = (mean - prior_mean) * torch.exp(-prior_log_scale)
            kl = kl + (0.5 * (torch.exp(2 * ratio) + gap**2 - 1) - ratio).sum() / len(x)
            z = mean + torch.exp(log_scale) * torch.randn_like(mean)
            dec = lstm("decoder", [z, canvas], *dec)
            canvas = canvas + convs["write"](dec[0])
        loss = kl + 784 / 2 * ((x - torch.sigmoid(canvas)) ** 2).mean() / SIGMA**2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step
