"""Attention between tokens: one function, and two layers that own its projections.

Every layer here maps tokens [B, N, C] to tokens of the same shape and returns its weights as
[B, h, queries, keys]. The function takes the fused kernel unless the weights are asked for; both
ways compute the same mixture.
"""

__all__ = ["Conv1dMultiHeadAttention", "MultiHeadAttention", "TokenAttention", "attention"]

from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    temperature: float | None = None,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    need_weights: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Scaled dot-product attention: softmax(query . key / temperature) . value.

    A query that may see no key at all gives zeros, and has zero weights; never NaN. All inputs
    must be finite, those that a mask hides too: a weight of zero does not silence an infinity.

    Args:
        query: [B, h, queries, d_k], d_k at least 1.
        key: [B, h, keys, d_k].
        value: [B, h, keys, d_v].
        temperature: Above 0; sqrt(d_k) if None, as in the paper.
        mask: Which key each query may see: bool [queries, keys], or anything that broadcasts to
            [B, h, queries, keys]; say [B, 1, queries, keys] for all heads alike.
        dropout: Probability of dropping a weight, 0 to 1; what is kept is scaled up by
            1 / (1 - dropout). Give it in training only.
        need_weights: Whether to return the weights too; that takes memory for all of them.

    Returns:
        The mixture, [B, h, queries, d_v]; and the weights that mixed it, [B, h, queries, keys],
        or None. Without dropout a query's weights sum to one, or to zero if it sees no key.

    Raises:
        ValueError: Shapes, temperature, mask or dropout break a rule; the line names it.

    Source: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762,
    equation 1. Ours has a free temperature, as J. Fernandez, 2021, prints it.

    Example:
        >>> query, context = torch.randn(2, 1, 32, 256), torch.randn(2, 1, 16, 256)
        >>> output, weights = attention(query, context, context, need_weights=True)
        >>> output.shape, weights.shape
        (torch.Size([2, 1, 32, 256]), torch.Size([2, 1, 32, 16]))
    """
    _refuse_shapes(query, key, value)
    temperature = query.shape[-1] ** 0.5 if temperature is None else temperature
    _refuse_numbers(temperature, dropout)
    if mask is not None:
        mask = _expanded(mask, (*query.shape[:-1], key.shape[-2]))
    if not need_weights:
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=dropout, scale=1 / temperature
        )
        if mask is not None:
            mixed = mixed.masked_fill(~mask.any(-1, keepdim=True), 0)
        return mixed, None
    weights = _weights(query, key, temperature, mask)
    if dropout:
        weights = F.dropout(weights, dropout)
    return weights @ value, weights


def _weights(query: Tensor, key: Tensor, temperature: float, mask: Tensor | None) -> Tensor:
    # the queries are divided, not the scores: there are far fewer of them
    scores = (query / temperature) @ key.transpose(-2, -1)
    if mask is None:
        return torch.softmax(scores, dim=-1)
    # a row that sees nothing is given a softmax over everything, then emptied
    sees = mask.any(-1, keepdim=True)
    return scores.masked_fill(~mask & sees, -torch.inf).softmax(-1).masked_fill(~sees, 0)


class TokenAttention(Protocol):
    """What the ways onto an image ask of a layer over tokens."""

    def __call__(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C]."""
        ...

    def weights(self, tokens: Tensor) -> Tensor:
        """Return the attention weights [B, h, queries, keys]."""
        ...


class _Heads(nn.Module):
    """Projections to queries, keys and values of several heads, and their mixture."""

    def __init__(
        self, width: int, context_width: int, num_heads: int, d_k: int, d_v: int, *, bias: bool
    ) -> None:
        super().__init__()
        sizes = {"width": width, "context_width": context_width, "num_heads": num_heads}
        for name, size in (sizes | {"d_k": d_k, "d_v": d_v}).items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        self.num_heads = num_heads
        self.query = nn.Linear(width, num_heads * d_k, bias=bias)
        self.key = nn.Linear(context_width, num_heads * d_k, bias=bias)
        self.value = nn.Linear(context_width, num_heads * d_v, bias=bias)

    def forward(
        self, tokens: Tensor, context: Tensor, mask: Tensor | None, dropout: float
    ) -> Tensor:
        """Map tokens [B, N, C] to concatenated heads [B, N, h * d_v]."""
        mixed, _ = attention(*self._projected(tokens, context), mask=mask, dropout=dropout)
        return mixed.transpose(1, 2).flatten(2)

    def weights(self, tokens: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """Return the attention weights [B, h, queries, keys]."""
        query, key, _ = self._projected(tokens, context)
        if mask is not None:
            mask = _expanded(mask, (*query.shape[:-1], key.shape[-2]))
        return _weights(query, key, query.shape[-1] ** 0.5, mask)

    def _projected(self, tokens: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for name, x, layer in (("tokens", tokens, self.query), ("context", context, self.key)):
            if x.ndim != 3 or x.shape[2] != layer.in_features:
                raise ValueError(f"{name} must be [B, N, {layer.in_features}], got {list(x.shape)}")
        # not len(), which torch.export would take for a constant
        many, others = tokens.shape[0], context.shape[0]
        if many != others:
            raise ValueError(
                f"tokens and context must be as many pictures, got {many} and {others}"
            )
        projected = self.query(tokens), self.key(context), self.value(context)
        query, key, value = (
            x.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for x in projected
        )
        return query, key, value


class MultiHeadAttention(nn.Module):
    """Multi-head attention with linear projections, without bias.

    LayerNorm(tokens + dropout(W_o . concat(heads))), each head softmax(q . k / sqrt(d_k)) . v.

    Args:
        width: C, size of a token.
        num_heads: h.
        d_k: Size of a head's queries and keys; width / num_heads if None.
        d_v: Size of a head's values; d_k if None.
        context_width: Size of a context's token; width if None.
        dropout: Probability of dropping a number behind the output projection, in training.
        attention_dropout: Probability of dropping a weight, in training.
        residual: Whether the tokens are added to the mixture. Leave it out where the output
            should be the mixture alone, as in a layer that only reads its context.
        eps: Of the LayerNorm; None for no norm at all.

    Raises:
        ValueError: When built, if the heads do not divide the width and d_k is None, a size is
            below 1, a probability is not between 0 and 1, or eps is not above 0; when called, if
            tokens, context or mask have other shapes.

    Source: Vaswani et al., "Attention Is All You Need", 2017, https://arxiv.org/abs/1706.03762,
    as J. Fernandez, 2021, prints it: norm behind the sum, no bias, dropout on the output only.

    Example:
        >>> layer = MultiHeadAttention(256, num_heads=8)
        >>> tokens = torch.randn(2, 32, 256)
        >>> layer(tokens).shape, layer.weights(tokens).shape
        (torch.Size([2, 32, 256]), torch.Size([2, 8, 32, 32]))
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        d_k: int | None = None,
        d_v: int | None = None,
        *,
        context_width: int | None = None,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        residual: bool = True,
        eps: float | None = 1e-6,
    ) -> None:
        super().__init__()
        if d_k is None:
            if num_heads < 1 or width % num_heads:
                raise ValueError(
                    "num_heads must divide width where d_k is not given, "
                    f"got {num_heads} heads and a width of {width}"
                )
            d_k = width // num_heads
        d_v = d_k if d_v is None else d_v
        context_width = width if context_width is None else context_width
        _refuse_numbers(1.0, attention_dropout)
        _refuse_numbers(1.0, dropout)
        self.attention_dropout = attention_dropout
        self.residual = residual
        self.heads = _Heads(width, context_width, num_heads, d_k, d_v, bias=False)
        self.output = nn.Linear(num_heads * d_v, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.Identity() if eps is None else _layer_norm(width, eps)

    def forward(
        self, tokens: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C].

        Args:
            tokens: They ask: [B, N, C].
            context: They are asked: [B, M, context_width]; the tokens themselves if None.
            mask: Which of M each of N may see; see `attention`.
        """
        context = tokens if context is None else context
        dropped = self.attention_dropout if self.training else 0.0
        mixed = self.dropout(self.output(self.heads(tokens, context, mask, dropped)))
        return self.norm(tokens + mixed if self.residual else mixed)

    def weights(
        self, tokens: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return the attention weights, without dropout: [B, h, N, M], queries by keys."""
        return self.heads.weights(tokens, tokens if context is None else context, mask)


class Conv1dMultiHeadAttention(nn.Module):
    """The article's Conv1d multi-head attention, over tokens.

    x = LayerNorm(residual + proj(concat(heads))), then LayerNorm(x + mix2(relu(mix1(x)))). Every
    head is as wide as a token; scores are divided by the square root of that width.

    The article writes each projection as a convolution of kernel 1 over [B, C, N] and each head as
    a module of its own. A convolution of kernel 1 is a linear map of every token, and stacked
    heads are one wider map: the same numbers, computed with one matrix product.

    Args:
        width: C, size of a token and of a head.
        num_heads: h.
        context_width: Size of a context's token; width if None.
        residual: What is added to the heads: the `query`, or the `context`, as the article has it.
            The latter asks for a context of the tokens' shape; without a context both are one.
        eps: Of both LayerNorms.

    Raises:
        ValueError: When built, if a context of another width should be the residual, a size is
            below 1, or eps is not above 0; when called, if tokens, context or mask have other
            shapes.

    Source: J. Fernandez, 2021; docs/article.md. Its residual is the context, and it works on square
    maps only; ours takes the query unless told otherwise, and tokens of any number.

    Example:
        >>> layer = Conv1dMultiHeadAttention(32, num_heads=4, context_width=20)
        >>> tokens, context = torch.randn(2, 35, 32), torch.randn(2, 11, 20)
        >>> layer(tokens, context).shape, layer.weights(tokens, context).shape
        (torch.Size([2, 35, 32]), torch.Size([2, 4, 35, 11]))
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        *,
        context_width: int | None = None,
        residual: Literal["query", "context"] = "query",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        context_width = width if context_width is None else context_width
        if residual not in ("query", "context"):
            raise ValueError(f"residual must be query or context, got {residual!r}")
        if residual == "context" and context_width != width:
            raise ValueError(
                f"a residual from the context needs one width, got {width} and {context_width}"
            )
        self.residual = residual
        self.heads = _Heads(width, context_width, num_heads, width, width, bias=True)
        self.output = nn.Linear(num_heads * width, width)
        self.norm1 = _layer_norm(width, eps)
        self.mix1 = nn.Linear(width, width)
        self.mix2 = nn.Linear(width, width)
        self.norm2 = _layer_norm(width, eps)

    def forward(
        self, tokens: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Map tokens [B, N, C] to tokens [B, N, C].

        Args:
            tokens: They ask: [B, N, C].
            context: They are asked: [B, M, context_width]; the tokens themselves if None.
            mask: Which of M each of N may see; see `attention`.
        """
        context = tokens if context is None else context
        mixed = self.output(self.heads(tokens, context, mask, 0.0))
        if self.residual == "context" and context.shape != tokens.shape:
            raise ValueError(
                "a residual from the context needs equal shapes, got "
                f"{list(tokens.shape)} and {list(context.shape)}"
            )
        x = self.norm1((tokens if self.residual == "query" else context) + mixed)
        return self.norm2(x + self.mix2(F.relu(self.mix1(x))))

    def weights(
        self, tokens: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return the attention weights [B, h, N, M], queries by keys."""
        return self.heads.weights(tokens, tokens if context is None else context, mask)


def _layer_norm(width: int, eps: float) -> nn.LayerNorm:
    if not 0 < eps < float("inf"):
        raise ValueError(f"eps must be above 0, got {eps}")
    return nn.LayerNorm(width, eps)


def _refuse_shapes(query: Tensor, key: Tensor, value: Tensor) -> None:
    shapes = [list(x.shape) for x in (query, key, value)]
    if (
        any(len(shape) != 4 for shape in shapes)
        or not shapes[0][:2] == shapes[1][:2] == shapes[2][:2]
        or shapes[0][3] != shapes[1][3]
        or shapes[1][2] != shapes[2][2]
        or shapes[0][3] < 1
    ):
        raise ValueError(
            "query, key and value must be [B, h, queries, d_k], [B, h, keys, d_k] and "
            f"[B, h, keys, d_v], d_k at least 1, got {shapes[0]}, {shapes[1]} and {shapes[2]}"
        )


def _refuse_numbers(temperature: float, dropout: float) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout must be between 0 and 1, got {dropout}")


def _expanded(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    if mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool, True where a key may be seen, got {mask.dtype}")
    try:
        return mask.expand(shape)
    except RuntimeError:
        raise ValueError(
            f"mask must broadcast to [B, h, queries, keys] = {list(shape)}, got {list(mask.shape)}"
        ) from None
