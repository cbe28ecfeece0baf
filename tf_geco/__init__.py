"""Train VAEs, and any Keras model, under constraints."""
