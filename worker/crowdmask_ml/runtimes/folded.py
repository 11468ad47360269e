"""SAM's mask decoder in plain numpy, with the products ordered so that a box costs a third of the arithmetic.

SAM, MedSAM and LiteMedSAM share this decoder: two layers in which 7 tokens (predicted IoU, four masks, two corners of
the box) and the image's tokens attend to each other, one last attention of the tokens, and an upscaling of the image's
tokens by 4 x 4. Its results are those of the published network up to rounding; what differs is the order:

- In an attention between tokens and image, ``(q Wq) (k Wk)^T`` is ``((q Wq) Wk^T) k^T``: what would project thousands
  of image tokens multiplies into 7 tokens instead. Values and outputs likewise.
- A bias that adds the same to every score of a softmax has no effect and is left out; one that adds the same to every
  value is added once behind it.
- The upscaling is made around the box only. Where the mask reaches the region's border, it is made again for the whole
  slice.
- What changes the image's tokens is made part by part, and the next attention reads each part while it is in the CPU's
  cache: a softmax over all tokens is gathered as in Milakov and Gimelshein, arXiv 1805.02867.

Image tokens are kept channels last, ``(tokens, channels)``.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask_ml.runtimes.upscaling import UPSCALING, Array, Upscaling
from crowdmask_ml.segmenter import MaskRule

_HEADS = 8
_LAYERS = 2
# PyTorch's LayerNorm.
_EPS = 1e-5
# Image tokens at a time, so that what is made of them stays in the CPU's cache.
_PART = 512
# The region reaches past the box by this share of its size and by at least so many tokens. Masks of real boxes reach
# past their box by less than that nearly always.
_MARGIN_SHARE = 0.15
_MARGIN_TOKENS = 2


@dataclass(frozen=True, eq=False)
class RegionLogits:
    """One box's mask on a part of the decoder's own grid; elsewhere there is no mask.

    Attributes:
        values: float32 ``(rows, columns)``.
        first_row: of the grid.
        first_column: of the grid.
        predicted_iou: the model's own guess of the mask's quality.
    """

    values: Array
    first_row: int
    first_column: int
    predicted_iou: float


@dataclass(frozen=True, eq=False)
class _Norm:
    weight: Array
    bias: Array

    @classmethod
    def of(cls, weights: Mapping[str, Array], name: str) -> Self:
        return cls(weights[f"{name}.weight"], weights[f"{name}.bias"])

    def __call__(self, x: Array) -> Array:
        """Over the channels of ``(tokens, channels)``; in place."""
        share = np.full(x.shape[1], 1 / x.shape[1], np.float32)
        x -= (x @ share)[:, np.newaxis]
        variance = np.einsum("tc,tc->t", x, x) / np.float32(x.shape[1])
        x *= (1 / np.sqrt(variance + np.float32(_EPS)))[:, np.newaxis]
        x *= self.weight
        x += self.bias
        return x


@dataclass(frozen=True, eq=False)
class _Attention:
    """One attention's projections by head: in ``(heads, channels, d)``, out ``(heads, d, channels)``."""

    q: Array
    k: Array
    v: Array
    out: Array
    q_bias: Array
    k_bias: Array
    v_bias: Array
    out_bias: Array

    @classmethod
    def of(cls, weights: Mapping[str, Array], name: str) -> Self:
        def weight(part: str) -> Array:
            rows = weights[f"{name}.{part}_proj.weight"]
            by_head = rows.reshape(_HEADS, -1, rows.shape[1]).transpose(0, 2, 1)
            return np.ascontiguousarray(by_head)

        def bias(part: str) -> Array:
            return weights[f"{name}.{part}_proj.bias"].reshape(_HEADS, 1, -1)

        # The usual division of the scores by sqrt(d), made in the weights.
        scale = np.float32(1 / np.sqrt(weight("q").shape[2]))
        out = weights[f"{name}.out_proj.weight"].T
        return cls(
            q=weight("q") * scale,
            k=weight("k"),
            v=weight("v"),
            out=np.ascontiguousarray(out.reshape(_HEADS, -1, out.shape[1])),
            q_bias=bias("q") * scale,
            k_bias=bias("k"),
            v_bias=bias("v"),
            out_bias=weights[f"{name}.out_proj.bias"],
        )

    def among_tokens(self, q: Array, v: Array) -> Array:
        """Tokens ``(t, channels)`` attend to each other."""
        scores = (q @ self.q + self.q_bias) @ (q @ self.k + self.k_bias).transpose(0, 2, 1)
        scores = np.exp(scores - scores.max(axis=2, keepdims=True))
        scores /= scores.sum(axis=2, keepdims=True)
        return self._combine(scores @ (v @ self.v + self.v_bias))

    def read(self, q: Array, image: Iterable[tuple[Array, Array]]) -> Array:
        """What tokens ``q`` ``(t, channels)`` take from the image's tokens, given as by `_placed`."""
        # The bias of k adds the same to every score of a token: no effect.
        rows = np.asarray((q @ self.q + self.q_bias) @ self.k.transpose(0, 2, 1), np.float32)
        rows = rows.reshape(-1, q.shape[1])
        highest = np.full((len(rows), 1), -np.inf, np.float32)
        total = np.zeros_like(highest)
        mixed = np.zeros_like(rows)
        for placed, values in image:
            scores = _scores(rows, placed)
            higher = np.maximum(highest, scores.max(axis=1, keepdims=True))
            kept = np.exp(highest - higher)
            scores -= higher
            np.exp(scores, out=scores)
            total = total * kept + scores.sum(axis=1, keepdims=True)
            mixed = mixed * kept + scores @ values
            highest = higher
        mixed /= total
        return self._combine(mixed.reshape(_HEADS, -1, mixed.shape[1]) @ self.v + self.v_bias)

    def into_image(self, k: Array, v: Array) -> tuple[Array, Array, Array]:
        """The image attends to tokens ``(t, channels)``.

        Returns:
            Rows ``(t * heads, channels)`` and biases ``(t * heads,)`` that make an image token's scores; and what the
            image token adds for each, ``(t * heads, channels)``, with the output's bias in it.
        """
        keys = k @ self.k + self.k_bias
        rows = keys @ self.q.transpose(0, 2, 1)
        biases = (keys * self.q_bias).sum(axis=2)
        # The weights of each head sum to 1: a share of the bias in every value is the bias in the sum.
        added = (v @ self.v + self.v_bias) @ self.out + self.out_bias / np.float32(_HEADS)
        channels = rows.shape[2]
        return (
            np.asarray(rows.transpose(1, 0, 2).reshape(-1, channels), np.float32),
            np.asarray(biases.T.reshape(-1), np.float32),
            np.asarray(added.transpose(1, 0, 2).reshape(-1, channels), np.float32),
        )

    def _combine(self, by_head: Array) -> Array:
        return np.asarray((by_head @ self.out).sum(axis=0) + self.out_bias)


@dataclass(frozen=True, eq=False)
class _Layer:
    self_attention: _Attention
    to_image: _Attention
    from_tokens: _Attention
    norms: tuple[_Norm, _Norm, _Norm, _Norm]
    mlp_in: Array
    mlp_in_bias: Array
    mlp_out: Array
    mlp_out_bias: Array

    @classmethod
    def of(cls, weights: Mapping[str, Array], name: str) -> Self:
        first, second, third, fourth = (_Norm.of(weights, f"{name}.norm{n}") for n in range(1, 5))
        return cls(
            self_attention=_Attention.of(weights, f"{name}.self_attn"),
            to_image=_Attention.of(weights, f"{name}.cross_attn_token_to_image"),
            from_tokens=_Attention.of(weights, f"{name}.cross_attn_image_to_token"),
            norms=(first, second, third, fourth),
            mlp_in=np.ascontiguousarray(weights[f"{name}.mlp.lin1.weight"].T),
            mlp_in_bias=weights[f"{name}.mlp.lin1.bias"],
            mlp_out=np.ascontiguousarray(weights[f"{name}.mlp.lin2.weight"].T),
            mlp_out_bias=weights[f"{name}.mlp.lin2.bias"],
        )

    def mlp(self, tokens: Array) -> Array:
        hidden = np.maximum(tokens @ self.mlp_in + self.mlp_in_bias, 0)
        return np.asarray(hidden @ self.mlp_out + self.mlp_out_bias)

    def changed(
        self, tokens: Array, prompts: Array, image: Array, position: Array, *, out: Array
    ) -> Iterator[tuple[Array, Array]]:
        """The image's tokens after they have attended to ``tokens``, into ``out``, which may be ``image``; yields as `_placed`."""
        rows, biases, added = self.from_tokens.into_image(tokens + prompts, tokens)
        norm = self.norms[3]
        for start, (placed, before) in zip(_starts(image), _placed(image, position), strict=True):
            taken = _softmax_over_tokens(_scores(rows, placed), biases).T @ added
            after = norm(np.add(before, taken, out=out[start : start + _PART]))
            yield after + position[start : start + _PART], after


@dataclass(frozen=True, eq=False)
class _Mlp:
    """Linear layers with ReLU between them."""

    layers: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, weights: Mapping[str, Array], name: str) -> Self:
        return cls(
            tuple(
                (weights[f"{name}.layers.{n}.weight"], weights[f"{name}.layers.{n}.bias"]) for n in range(3)
            )
        )

    def __call__(self, x: Array) -> Array:
        *hidden, last = self.layers
        for weight, bias in hidden:
            x = np.maximum(weight @ x + bias, 0)
        return np.asarray(last[0] @ x + last[1])


class FoldedDecoder:
    """The decoder of boxes, from the weights of a network's prompt encoder and mask decoder. Holds no state."""

    def __init__(self, weights: Mapping[str, Array]) -> None:
        """``weights``: float32, by the names of the published networks (``mask_decoder...``)."""
        transformer = "mask_decoder.transformer"
        self._layers = tuple(_Layer.of(weights, f"{transformer}.layers.{n}") for n in range(_LAYERS))
        self._final = _Attention.of(weights, f"{transformer}.final_attn_token_to_image")
        self._final_norm = _Norm.of(weights, f"{transformer}.norm_final_attn")
        self._frequencies = weights["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"].astype(
            np.float64
        )
        self._corners = np.concatenate(
            [weights[f"prompt_encoder.point_embeddings.{n}.weight"] for n in (2, 3)]
        )
        self._no_mask = weights["prompt_encoder.no_mask_embed.weight"].reshape(-1, 1)
        self._outputs = np.concatenate(
            [weights["mask_decoder.iou_token.weight"], weights["mask_decoder.mask_tokens.weight"]]
        )
        self._iou_head = _Mlp.of(weights, "mask_decoder.iou_prediction_head")
        self._mask_heads = tuple(
            _Mlp.of(weights, f"mask_decoder.output_hypernetworks_mlps.{n}")
            for n in range(len(self._outputs) - 1)
        )
        self._upscaling = Upscaling(weights)
        self._positions: dict[tuple[int, int], Array] = {}

    def decode(
        self, features: Array, prompts: Array, *, input_size: int, mask_rule: MaskRule
    ) -> list[RegionLogits]:
        """Masks of box prompts ``(k, 4)`` in pixels of the network's input, on one slice's features ``(c, y, x)``."""
        grid = (features.shape[1], features.shape[2])
        image = np.ascontiguousarray((features.reshape(features.shape[0], -1) + self._no_mask).T)
        changed = np.empty_like(image)
        return [
            self._decode_one(image, grid, prompt, input_size, mask_rule, changed=changed)
            for prompt in prompts
        ]

    def _decode_one(
        self,
        image: Array,
        grid: tuple[int, int],
        prompt: Array,
        input_size: int,
        mask_rule: MaskRule,
        *,
        changed: Array,
    ) -> RegionLogits:
        """``changed``: memory for the image's tokens, each layer's in turn."""
        position = self._position(grid)
        corners = self._encode((prompt.reshape(2, 2).astype(np.float64) + 0.5) / input_size) + self._corners
        prompts = np.concatenate([self._outputs, corners])
        tokens = prompts
        parts = _placed(image, position)
        for number, layer in enumerate(self._layers):
            first, second, third, _ = layer.norms
            if number == 0:
                tokens = first(layer.self_attention.among_tokens(tokens, tokens))
            else:
                tokens = first(tokens + layer.self_attention.among_tokens(tokens + prompts, tokens))
            tokens = second(tokens + layer.to_image.read(tokens + prompts, parts))
            tokens = third(tokens + layer.mlp(tokens))
            parts = layer.changed(tokens, prompts, image, position, out=changed)
            image = changed
        needed = [0, 1] if mask_rule is MaskRule.FIRST else [0, 2, 3, 4]
        tokens = tokens[needed]
        tokens = self._final_norm(tokens + self._final.read(tokens + prompts[needed], parts))
        ious = self._iou_head(tokens[0])
        masks = [n - 1 for n in needed[1:]]
        best = max(masks, key=lambda n: ious[n])
        hyper = self._mask_heads[best](tokens[1 + masks.index(best)])
        return self._mask(image.reshape(*grid, -1), prompt * (grid[0] / input_size), hyper, float(ious[best]))

    def _mask(self, image: Array, box: Array, hyper: Array, predicted_iou: float) -> RegionLogits:
        """``image``: tokens ``(rows, columns, channels)``; ``box``: x0, y0, x1, y1 in tokens."""
        rows, columns, _ = image.shape
        margin_x, margin_y = (max(_MARGIN_TOKENS, _MARGIN_SHARE * (box[n + 2] - box[n])) for n in (0, 1))
        top, bottom = max(0, int(box[1] - margin_y)), min(rows, int(np.ceil(box[3] + margin_y)) + 1)
        left, right = max(0, int(box[0] - margin_x)), min(columns, int(np.ceil(box[2] + margin_x)) + 1)
        values = self._upscaling(image[top:bottom, left:right], hyper)
        open_edges = (
            (top > 0, values[0]),
            (bottom < rows, values[-1]),
            (left > 0, values[:, 0]),
            (right < columns, values[:, -1]),
        )
        if any(is_open and (edge > 0).any() for is_open, edge in open_edges):
            return RegionLogits(self._upscaling(image, hyper), 0, 0, predicted_iou)
        return RegionLogits(values, UPSCALING * top, UPSCALING * left, predicted_iou)

    def _position(self, grid: tuple[int, int]) -> Array:
        """The encoded position of every image token, ``(tokens, channels)``."""
        if grid not in self._positions:
            rows, columns = grid
            y, x = np.mgrid[0:rows, 0:columns]
            places = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=-1).reshape(-1, 2)
            self._positions[grid] = self._encode(places)
        return self._positions[grid]

    def _encode(self, places: NDArray[np.float64]) -> Array:
        """Places (x, y) in 0..1, ``(n, 2)``, to ``(n, channels)``."""
        angles = 2 * np.pi * ((2 * places - 1) @ self._frequencies)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def _starts(image: Array) -> range:
    """Where the parts of the image's tokens start."""
    return range(0, len(image), _PART)


def _placed(image: Array, position: Array) -> Iterator[tuple[Array, Array]]:
    """Part by part, the image's tokens with their positions, which attentions score, and without, which they average."""
    for start in _starts(image):
        values = image[start : start + _PART]
        yield values + position[start : start + _PART], values


def _scores(rows: Array, placed: Array) -> Array:
    """``rows @ placed.T``, in the order that is faster."""
    return np.ascontiguousarray((placed @ rows.T).T)


def _softmax_over_tokens(scores: Array, biases: Array) -> Array:
    """Weights ``(t * heads, tokens)`` that sum to 1 over ``t``; in place."""
    scores += biases[:, np.newaxis]
    by_token = scores.reshape(-1, _HEADS, scores.shape[1])
    by_token -= by_token.max(axis=0)
    np.exp(by_token, out=by_token)
    by_token /= by_token.sum(axis=0)
    return scores
