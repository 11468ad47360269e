"""LiteMedSAM's encoder (TinyViT, Wu et al., arXiv 2207.10666) with its tokens moved as little as possible.

Its package cuts tokens into windows, then projects them, then parts them by head, and puts channels first for each
convolution: a tenth of the encoder's time on a CPU goes into copies. Here tokens are projected where they lie, cut and
parted in one step, and channels stay last. The tokens that fill up the last windows are projected once instead of each
time. Same weights, same results up to rounding.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


def rearranged(encoder: nn.Module) -> nn.Module:
    """A copy of an encoder for use without training; one that is no TinyViT stays as it is."""
    # By name: where the package keeps these classes is its own affair.
    ours = {"TinyViTBlock": _Block, "PatchMerging": _Merging}
    copied = deepcopy(encoder)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__ in ours:
                setattr(module, name, ours[type(child).__name__](child))
    return copied


class _Block(nn.Module):
    """Attention in windows, a convolution, an MLP; tokens ``(1, rows * columns, channels)``."""

    bias: Tensor

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.rows, self.columns = block.input_resolution
        self.window: int = block.window_size
        attention = block.attn
        self.heads: int = attention.num_heads
        self.norm = attention.norm
        self.queries, self.keys, self.values = _parted(attention)
        self.register_buffer("bias", attention.ab)
        self.out = attention.proj
        self.local_conv = block.local_conv
        self.mlp = block.mlp

    def forward(self, x: Tensor) -> Tensor:
        grid = (1, self.rows, self.columns, -1)
        normalised = self.norm(x).view(grid)
        q, k, v = (self._windows(part, normalised) for part in (self.queries, self.keys, self.values))
        weights = (q @ k.transpose(-2, -1) + self.bias).softmax(dim=-1)
        x = x + self.out(self._back(weights @ v)).view(x.shape)
        x = self.local_conv(x.view(grid).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).reshape(x.shape)
        added: Tensor = self.mlp(x)
        return x + added

    @property
    def _n_windows(self) -> tuple[int, int]:
        return -(-self.rows // self.window), -(-self.columns // self.window)

    def _windows(self, part: nn.Module, tokens: Tensor) -> Tensor:
        """Projected tokens by window and head: ``(windows, heads, window ** 2, d)``."""
        # The package fills up with zeros before the norm, which makes its bias of them.
        beyond = part(self.norm.bias)
        x: Tensor = part(tokens)
        down, across = self._n_windows
        if missing := across * self.window - self.columns:
            x = torch.cat([x, beyond.expand(1, self.rows, missing, -1)], dim=2)
        if missing := down * self.window - self.rows:
            x = torch.cat([x, beyond.expand(1, missing, across * self.window, -1)], dim=1)
        x = x.view(down, self.window, across, self.window, self.heads, -1).permute(0, 2, 4, 1, 3, 5)
        return x.reshape(down * across, self.heads, self.window**2, -1)

    def _back(self, x: Tensor) -> Tensor:
        """The inverse: ``(1, rows, columns, channels)``."""
        down, across = self._n_windows
        x = x.view(down, across, self.heads, self.window, self.window, -1).permute(0, 3, 1, 4, 2, 5)
        x = x.reshape(1, down * self.window, across * self.window, -1)
        return x[:, : self.rows, : self.columns]


class _Merging(nn.Module):
    """Convolutions between stages; tokens ``(1, n, channels)`` or an image ``(1, channels, y, x)`` to tokens."""

    def __init__(self, merging: Any) -> None:
        super().__init__()
        self.size = merging.input_resolution
        self.steps = nn.Sequential(merging.conv1, merging.act, merging.conv2, merging.act, merging.conv3)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim == 3:
            x = x.view(1, *self.size, -1).permute(0, 3, 1, 2)
        merged: Tensor = self.steps(x)
        return merged.permute(0, 2, 3, 1).flatten(1, 2)


def _parted(attention: Any) -> list[nn.Linear]:
    """The projection to queries, keys and values, which the package keeps as one by head; the scores' scale in the queries'."""
    heads, d = attention.num_heads, attention.key_dim
    weight = attention.qkv.weight.detach().view(heads, 3, d, -1)
    bias = attention.qkv.bias.detach().view(heads, 3, d)
    parts = []
    for number, scale in enumerate((attention.scale, 1, 1)):
        part = nn.Linear(weight.shape[3], heads * d)
        part.weight = nn.Parameter(scale * weight[:, number].flatten(0, 1), requires_grad=False)
        part.bias = nn.Parameter(scale * bias[:, number].flatten(), requires_grad=False)
        parts.append(part)
    return parts
