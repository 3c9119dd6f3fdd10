"""What operators return is memory of their own: shared with no argument, nor with another result."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Owned(TorchDispatchMode):
    """Looks at every call of an operator of any package; ``seen`` are their names without the package."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if named := re.fullmatch(r"metrigen\.\w+_[0-9a-f]{8}(?:_\d+)?_([a-z_]+)\.default", str(func)):
            self.seen.add(named[1])
            given, made = (
                [x.untyped_storage().data_ptr() for x in tree_leaves(tree) if isinstance(x, torch.Tensor) and x.numel()]
                for tree in (args, found)
            )
            assert not set(given) & set(made), named[1]
            assert len(set(made)) == len(made), named[1]
        return found
