"""A small variational autoencoder of representations (1312.6114)."""

import torch
from torch import Generator, Tensor, nn
from torch.optim import Adam

HIDDEN = (128, 32)  # units of the encoder's layers, and of the decoder's in turn


class VAE(nn.Module):
    """Encoder and decoder of features [B, d] over a normal code of `latent` numbers.

    The decoder is linear at its end, so that it reaches any feature.
    """

    def __init__(self, d: int, latent: int) -> None:
        super().__init__()
        wide, narrow = HIDDEN
        self.encoder = nn.Sequential(
            nn.Linear(d, wide), nn.ReLU(), nn.Linear(wide, narrow), nn.ReLU()
        )
        self.mean, self.log_variance = nn.Linear(narrow, latent), nn.Linear(narrow, latent)
        self.decoder = nn.Sequential(
            *(nn.Linear(latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU()),
            nn.Linear(wide, d),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstructions [B, d] at a drawn code; its mean and log variance [B, latent]."""
        hidden = self.encoder(features)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        return self.decoder(code), mean, log_variance

    def error(self, features: Tensor) -> Tensor:
        """Squared distances [B] of features [B, d] from their reconstructions."""
        reconstructed: Tensor = self(features)[0]
        return (reconstructed - features).square().sum(1)


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) [B], summed over the numbers of a code [B, latent]."""
    return (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2


def fit_vae(
    vae: VAE,
    features: Tensor,
    generator: Generator,
    *,
    epochs: int,
    lr: float,
    batch_size: int,
    weight: float,
) -> None:
    """Minimise squared error + weight x divergence on features [n, d] by Adam."""
    optimiser = Adam(vae.parameters(), lr=lr)
    for _ in range(epochs):
        for rows in torch.randperm(len(features), generator=generator).split(batch_size):
            some = features[rows.to(features.device)]
            reconstructed, mean, log_variance = vae(some)
            error = (reconstructed - some).square().sum(1)
            optimiser.zero_grad()
            (error + weight * divergence(mean, log_variance)).mean().backward()
            optimiser.step()
