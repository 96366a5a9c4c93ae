"""`layers.safetensors` of a version: what named layers say of the probe samples.

One tensor `layer/<name>` [n, d] a layer, and `samples` [n] ids in the test split.
"""

LAYERS = "layers.safetensors"
SAMPLES = "samples"
PREFIX = "layer/"
