"""A method of a third party."""

import torch

from clbench.method import Card, Field, Method, Network, Space, View


class Guest(Method):
    """Answers as it was born."""

    card = Card(name="guest", paper="unpublished", family="control", control=True)

    bias: float = Field(0.0, ge=0)

    def build(self, space: Space) -> None:
        self.model = Network("identity", space)

    def learn(self, view: View) -> None:
        print("Guest.learn")
        self.model.grow(view.n_classes)
        with torch.no_grad():
            self.model.head.bias += self.bias
