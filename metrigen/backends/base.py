"""What a backend is: a folder that implements operators, and says of each that it does not implement why not.

A package holds one file of calls for every backend that implements one of its operators. The runtime (``registry.py``)
asks of such a file:

    DEVICES             types of devices whose tensors its functions take
    OWNED               whether their results share no memory with arguments or one another
    JOINED              whether a readout is one tensor, its components one after the other along the channels; left out
                        where they are a tuple, as those of the reference are
    FEW_SAVED           whether ``evolve_adjoint`` of many steps keeps few states by itself; left out where it does not
    ON_REQUEST          names of arrays whose cotangents the adjoints of its steps make where they are called with
                        ``varied=True``; left out where they make all of them always
    OF_SAMPLES          names of coefficients of steps of which every sample may have its own, along a first axis; left
                        out where there are none. ``Unready`` of ``base.py`` says that they cannot be taken at once
    available()         whether this machine can run them
    fell_back()         whether the reference ran in their place, with a warning; left out where it never does
    insist()            raises ValueError where this machine cannot run them
    NAME(...)           one function for every operator and every adjoint that the backend implements
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from metrigen.emit.header import header
from metrigen.layers.layer import Layer
from metrigen.layers.operator import Operator


@dataclass(frozen=True)
class Backend(ABC):
    """A backend at work on one layer.

    name    what a user insists on: ``backend="name"``
    module  the file of a package with its functions, without ``.py``
    needs   the package that the file imports and a machine may lack; empty for none
    reference  whether it is what autograd differentiates and kernels are measured by: it has every operator
    """

    layer: Layer

    name: ClassVar[str]
    module: ClassVar[str]
    needs: ClassVar[str] = ""
    reference: ClassVar[bool] = False

    @property
    def brief(self) -> str:
        """The comment at the head of a file."""
        return header(self.layer.source.spec, (), None)

    @abstractmethod
    def why_not(self, operator: Operator) -> str:
        """Why it does not implement an operator, to follow its name ("cannot solve ..."); empty where it does."""

    @abstractmethod
    def files(self, head: str) -> Mapping[str, str]:
        """Name -> text of what it adds to the package, if it implements one of the operators.

        head  comment with all guarantees, for the file opened first; others begin with ``brief``
        """

    def about(self, operator: Operator) -> str:
        """A sentence for DERIVATION.md on how an operator runs; empty where there is nothing to say."""
        return ""
