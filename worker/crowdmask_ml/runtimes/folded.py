"""SAM's mask decoder in plain numpy, with the products ordered so that a box costs a third of the arithmetic.

SAM, MedSAM and LiteMedSAM share this decoder: two layers in which 7 tokens (predicted IoU, four masks, two corners of
the box) and the image's tokens attend to each other, one last attention of the tokens, and an upscaling of the image's
tokens by 4 x 4. Its results are those of the published network up to rounding; what differs is the order:

- In an attention between tokens and image, ``(q Wq) (k Wk)^T`` is ``((q Wq) Wk^T) k^T``: what would project thousands
  of image tokens multiplies into 7 tokens instead. Values and outputs likewise.
- A bias that adds the same to every score of a softmax has no effect and is left out; one that adds the same to every
  value is added once behind it.
- The upscaling has kernel 2 and stride 2: every output pixel depends on one token. So it is a matrix product, and it is
  made around the box only. Where the mask reaches the region's border, it is made again for the whole slice.

Image tokens are kept channels first, ``(channels, tokens)``, as the encoder gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from crowdmask_ml.segmenter import MaskRule

Array = NDArray[np.float32]

_HEADS = 8
_LAYERS = 2
# PyTorch's LayerNorm; SAM's LayerNorm2d.
_EPS = 1e-5
_EPS_2D = 1e-6
# Pixels of the decoder's logits along a token's edge.
UPSCALING = 4
# The region reaches past the box by this share of its size and by at least so many tokens. Masks of real boxes reach
# past their box by less than that nearly always.
_MARGIN_SHARE = 0.15
_MARGIN_TOKENS = 2
# Half of the polynomial for erfc(a / sqrt(2)), highest power first.
_ERFC_SCALE = np.float32(0.3275911 / np.sqrt(2))
_ERFC = tuple(np.float32(c / 2) for c in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))
# Values at a time, so that what is made of them stays in the CPU's cache.
_CHUNK = 32768


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

    def tokens(self, x: Array) -> Array:
        """Over the channels of ``(tokens, channels)``."""
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.square(centred).mean(axis=1, keepdims=True)
        scaled = centred / np.sqrt(variance + np.float32(_EPS))
        return np.asarray(scaled * self.weight + self.bias, np.float32)


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

    def to_image_scores(self, q: Array) -> Array:
        """What multiplies image tokens to the scores of tokens ``q`` ``(t, channels)``: ``(heads * t, channels)``."""
        # The bias of k adds the same to every score of a token: no effect.
        rows = (q @ self.q + self.q_bias) @ self.k.transpose(0, 2, 1)
        return np.asarray(rows.reshape(-1, rows.shape[2]), np.float32)

    def from_image(self, mixed: Array) -> Array:
        """Means of image tokens ``(heads * t, channels)`` to what their tokens take from them ``(t, channels)``."""
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


class _Upscaling:
    """Image tokens to 4 x 4 pixels each, as two matrix products."""

    def __init__(self, weights: Mapping[str, Array], before: _Norm) -> None:
        """``before``: the norm of the image tokens, whose weight and bias go into the first product."""
        first = weights["mask_decoder.output_upscaling.0.weight"]
        channels, middle = first.shape[:2]
        second = weights["mask_decoder.output_upscaling.3.weight"]
        matrix = first.reshape(channels, middle * 4).T
        bias = np.repeat(weights["mask_decoder.output_upscaling.0.bias"], 4)
        self._first = np.ascontiguousarray(matrix * before.weight)
        self._first_bias = (bias + matrix @ before.bias)[:, np.newaxis]
        self._norm = _Norm.of(weights, "mask_decoder.output_upscaling.1")
        self._second = np.ascontiguousarray(second.reshape(middle, -1).T)
        self._second_bias = np.repeat(weights["mask_decoder.output_upscaling.3.bias"], 4)[:, np.newaxis]
        self._middle = middle

    def __call__(self, normalised: Array, rows: int, columns: int, mask: Array) -> Array:
        """Logits ``(4 rows, 4 columns)`` of normalised tokens ``(channels, rows * columns)``; ``mask`` (32,)."""
        n = rows * columns
        x = self._first @ normalised
        x += self._first_bias
        x = x.reshape(self._middle, 4 * n)
        x -= x.mean(axis=0)
        x *= 1 / np.sqrt(np.square(x).mean(axis=0) + np.float32(_EPS_2D))
        x *= self._norm.weight[:, np.newaxis]
        x += self._norm.bias[:, np.newaxis]
        x = self._second @ gelu(x)
        x += self._second_bias
        # Axes: channel, then row and column inside of the second step's pixel, of the first step's, then the token.
        logits = mask @ gelu(x).reshape(mask.size, -1)
        parts = logits.reshape(2, 2, 2, 2, rows, columns)
        return np.ascontiguousarray(parts.transpose(4, 2, 0, 5, 3, 1)).reshape(4 * rows, 4 * columns)


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
        self._upscaling = _Upscaling(weights, self._layers[-1].norms[3])
        self._positions: dict[tuple[int, int], Array] = {}

    def decode(
        self, features: Array, prompts: Array, *, input_size: int, mask_rule: MaskRule
    ) -> list[RegionLogits]:
        """Masks of box prompts ``(k, 4)`` in pixels of the network's input, on one slice's features ``(c, y, x)``."""
        grid = (features.shape[1], features.shape[2])
        position = self._position(grid)
        image = features.reshape(features.shape[0], -1) + self._no_mask
        positioned = image + position
        return [
            self._decode_one(image, positioned, position, grid, prompt, input_size, mask_rule)
            for prompt in prompts
        ]

    def _decode_one(
        self,
        image: Array,
        positioned: Array,
        position: Array,
        grid: tuple[int, int],
        prompt: Array,
        input_size: int,
        mask_rule: MaskRule,
    ) -> RegionLogits:
        corners = self._encode((prompt.reshape(2, 2).astype(np.float64) + 0.5) / input_size) + self._corners
        prompts = np.concatenate([self._outputs, corners])
        tokens = prompts
        for number, layer in enumerate(self._layers):
            first, second, third, fourth = layer.norms
            if number == 0:
                tokens = layer.self_attention.among_tokens(tokens, tokens)
            else:
                placed = tokens + prompts
                tokens = tokens + layer.self_attention.among_tokens(placed, tokens)
            tokens = first.tokens(tokens)
            weights, sums = _softmax_over_image(layer.to_image.to_image_scores(tokens + prompts) @ positioned)
            taken = layer.to_image.from_image((weights @ image.T) / sums)
            tokens = second.tokens(tokens + taken)
            tokens = third.tokens(tokens + layer.mlp(tokens))
            rows, biases, added = layer.from_tokens.into_image(tokens + prompts, tokens)
            changed = added.T @ _softmax_over_tokens(rows @ positioned, biases)
            changed += image
            _normalise(changed)
            if number + 1 < _LAYERS:
                changed *= fourth.weight[:, np.newaxis]
                changed += fourth.bias[:, np.newaxis]
                positioned = changed + position
            image = changed
        # From here on `image` is without the last norm's weight and bias: they are in what it meets.
        needed = [0, 1] if mask_rule is MaskRule.FIRST else [0, 2, 3, 4]
        tokens = self._read_image(tokens[needed], prompts[needed], image, position)
        ious = self._iou_head(tokens[0])
        masks = [n - 1 for n in needed[1:]]
        best = max(masks, key=lambda n: ious[n])
        hyper = self._mask_heads[best](tokens[1 + masks.index(best)])
        return self._mask(image, grid, prompt * (grid[0] / input_size), hyper, float(ious[best]))

    def _read_image(self, tokens: Array, prompts: Array, image: Array, position: Array) -> Array:
        norm = self._layers[-1].norms[3]
        rows = self._final.to_image_scores(tokens + prompts)
        # The norm's bias adds the same to every score of a row: no effect.
        scores: Array = np.asarray((rows * norm.weight) @ image, np.float32)
        scores += rows @ position
        weights, sums = _softmax_over_image(scores)
        mixed = (weights @ image.T) / sums * norm.weight + norm.bias
        return self._final_norm.tokens(tokens + self._final.from_image(mixed))

    def _mask(
        self, image: Array, grid: tuple[int, int], box: Array, hyper: Array, predicted_iou: float
    ) -> RegionLogits:
        """``box``: x0, y0, x1, y1 in tokens."""
        rows, columns = grid
        margin_x, margin_y = (max(_MARGIN_TOKENS, _MARGIN_SHARE * (box[n + 2] - box[n])) for n in (0, 1))
        top, bottom = max(0, int(box[1] - margin_y)), min(rows, int(np.ceil(box[3] + margin_y)) + 1)
        left, right = max(0, int(box[0] - margin_x)), min(columns, int(np.ceil(box[2] + margin_x)) + 1)
        part = image.reshape(-1, rows, columns)[:, top:bottom, left:right]
        height, width = part.shape[1:]
        values = self._upscaling(part.reshape(part.shape[0], -1), height, width, hyper)
        open_edges = (
            (top > 0, values[0]),
            (bottom < rows, values[-1]),
            (left > 0, values[:, 0]),
            (right < columns, values[:, -1]),
        )
        if any(is_open and (edge > 0).any() for is_open, edge in open_edges):
            return RegionLogits(self._upscaling(image, rows, columns, hyper), 0, 0, predicted_iou)
        return RegionLogits(values, UPSCALING * top, UPSCALING * left, predicted_iou)

    def _position(self, grid: tuple[int, int]) -> Array:
        """The encoded position of every image token, ``(channels, tokens)``."""
        if grid not in self._positions:
            rows, columns = grid
            y, x = np.mgrid[0:rows, 0:columns]
            places = np.stack([(x + 0.5) / columns, (y + 0.5) / rows], axis=-1).reshape(-1, 2)
            self._positions[grid] = np.ascontiguousarray(self._encode(places).T)
        return self._positions[grid]

    def _encode(self, places: NDArray[np.float64]) -> Array:
        """Places (x, y) in 0..1, ``(n, 2)``, to ``(n, channels)``."""
        angles = 2 * np.pi * ((2 * places - 1) @ self._frequencies)
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def gelu(x: Array) -> Array:
    """``x`` times the normal distribution's integral up to ``x``, in place; off by less than 5e-7.

    With erfc by formula 7.1.26 of Abramowitz and Stegun, Handbook of Mathematical Functions (1964), five times faster
    than scipy's.
    """
    flat = x.reshape(-1)
    size = min(_CHUNK, flat.size)
    magnitudes, reciprocals, tails = np.empty((3, size), np.float32)
    for start in range(0, flat.size, _CHUNK):
        values = flat[start : start + _CHUNK]
        a, t, tail = magnitudes[: values.size], reciprocals[: values.size], tails[: values.size]
        np.abs(values, out=a)
        np.multiply(a, _ERFC_SCALE, out=t)
        t += 1
        np.divide(1, t, out=t)
        np.multiply(t, _ERFC[0], out=tail)
        for coefficient in _ERFC[1:]:
            tail += coefficient
            tail *= t
        tail *= a
        np.multiply(a, a, out=a)
        a *= np.float32(-0.5)
        tail *= np.exp(a, out=a)
        np.maximum(values, 0, out=values)
        values -= tail
    return x


def _softmax_over_image(scores: Array) -> tuple[Array, Array]:
    """Weights of each row that are still to be divided by their sums; in place. Sums ``(rows, 1)``."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    return scores, scores.sum(axis=1, keepdims=True)


def _softmax_over_tokens(scores: Array, biases: Array) -> Array:
    """Weights ``(t * heads, tokens)`` that sum to 1 over ``t``; in place."""
    scores += biases[:, np.newaxis]
    by_token = scores.reshape(-1, _HEADS, scores.shape[1])
    by_token -= by_token.max(axis=0)
    np.exp(by_token, out=by_token)
    by_token /= by_token.sum(axis=0)
    return scores


def _normalise(image: Array) -> None:
    """Mean 0 and variance 1 over the channels of every image token; in place."""
    image -= image.mean(axis=0)
    variance = np.einsum("ct,ct->t", image, image) / np.float32(image.shape[0])
    image *= 1 / np.sqrt(variance + np.float32(_EPS))
