"""What tensors of torch show of themselves, without torch."""

import numpy as np


class Scalar:
    """A scalar tensor that is part of a graph, as a loop appends its loss to a list."""

    def __init__(self, value):
        self.value = value

    def __float__(self):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    def cpu(self):
        return np.asarray(self.value)


class Tensor:
    """What a tensor of another library looks like: an array after detach().cpu()."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return np.asarray(self.values)
