"""Shapes that broadcast, as torch has them."""

import pytest
import torch

from generated.cifar.base import broadcast

SHAPES = [(), (1,), (3,), (2, 1), (2, 3), (1, 3), (4, 1, 1), (4, 2, 3), (0, 1), (0, 3)]


@pytest.mark.parametrize("first", SHAPES, ids=str)
@pytest.mark.parametrize("second", [*SHAPES, (2,), (5, 3)], ids=str)
def test_shapes_broadcast_as_in_torch(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    try:
        expected = tuple(torch.broadcast_shapes(first, second))
    except RuntimeError:
        with pytest.raises(RuntimeError, match="do not broadcast"):
            broadcast(first, second)
    else:
        assert broadcast(first, second) == expected
