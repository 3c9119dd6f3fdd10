"""Small images for classification, decoded once into memory, and their augmentation.

A source is ``digits`` (8 x 8 digits that come with scikit-learn, no download), a folder with ``train*.parquet`` and
``test*.parquet``, or the name of a Hugging Face dataset such as ``uoft-cs/cifar10`` (downloaded on first use).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

DIGITS = "digits"
SPLITS = ("train", "test")
_IMAGE = ("img", "image")
_LABEL = ("fine_label", "label", "labels")


class DataError(RuntimeError):
    """A source that cannot be read: says what is missing and what would do."""


@dataclass(frozen=True)
class Images:
    """pixels (N, channels, H, W) uint8, labels (N,) int64 below ``classes``."""

    pixels: Tensor
    labels: Tensor
    classes: int

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Images:
        """The first ``count`` images; all of them for None."""
        return self if count is None else Images(self.pixels[:count], self.labels[:count], self.classes)

    def to(self, device: torch.device) -> Images:
        return Images(self.pixels.to(device), self.labels.to(device), self.classes)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of every channel over all pixels, each (channels, 1, 1), on the scale 0 to 1."""
        x = self.pixels.transpose(0, 1).flatten(1).to(torch.float64) / 255
        return x.mean(1).float()[:, None, None], x.std(1).float()[:, None, None]


def load_images(source: str, split: str) -> Images:
    """The images of one split. Raises DataError where the source is unknown or holds no images."""
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}; one of {SPLITS}")
    if source == DIGITS:
        return _digits(split)
    return _decoded(_table(source, split), source)


def _digits(split: str) -> Images:
    """Every sixth of the 1797 digits is a test image."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError('the digits need scikit-learn: pip install "metrigen[train]"') from error
    pixels, labels = load_digits(return_X_y=True)
    test = np.arange(len(labels)) % 6 == 0
    kept = test if split == "test" else ~test
    grey = torch.from_numpy((pixels[kept] * (255 / 16)).round().astype(np.uint8)).reshape(-1, 1, 8, 8)
    return Images(grey, torch.from_numpy(labels[kept]).long(), 10)


def _table(source: str, split: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(f'--data {source} needs the package datasets: pip install "metrigen[train]"') from error
    folder = Path(source)
    if not folder.is_dir():
        try:
            return datasets.load_dataset(source, split=split)
        except Exception as error:  # the library raises many kinds: no network, no such name, no such split
            raise DataError(f"{source} is no folder, and as the name of a dataset: {error}") from error
    files = sorted(str(path) for path in folder.glob(f"{split}*.parquet"))
    if not files:
        raise DataError(f"no {split}*.parquet in {folder}")
    return datasets.load_dataset("parquet", data_files={split: files}, split=split)


def _decoded(table: Any, source: str) -> Images:
    import datasets

    image = next((name for name in _IMAGE if name in table.column_names), None)
    label = next((name for name in _LABEL if name in table.column_names), None)
    if image is None or label is None:
        raise DataError(f"{source} has the columns {table.column_names}; needed: one of {_IMAGE} and one of {_LABEL}")
    # Where a file does not say so, the column is bytes and not pictures.
    table = table.cast_column(image, datasets.Image())
    labels = torch.as_tensor(np.asarray(table[label]), dtype=torch.int64)
    pixels: np.ndarray | None = None
    for k, picture in enumerate(table[image]):
        array = np.asarray(picture.convert("RGB"))
        if pixels is None:
            pixels = np.empty((len(labels), 3, *array.shape[:2]), dtype=np.uint8)
        if array.shape[:2] != pixels.shape[2:]:
            raise DataError(f"image {k} of {source} is {array.shape[:2]}, the first one {pixels.shape[2:]}")
        pixels[k] = array.transpose(2, 0, 1)
    if pixels is None:
        raise DataError(f"{source} holds no images")
    return Images(torch.from_numpy(pixels), labels, int(labels.max()) + 1)


@dataclass(frozen=True)
class Augmentation:
    """What happens to a training image.

    crop    pixels that it may move in each direction, mirrored at the border
    flip    left and right are exchanged for every other image
    cutout  side of a square that is set to the mean, 0 for none
    mixup   alpha of Beta(alpha, alpha), the weight of a second image and its label; 0 for none
    """

    crop: int = 4
    flip: bool = True
    cutout: int = 0
    mixup: float = 0.0

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Normalised images (B, channels, H, W), moved, mirrored and cut out; mixing is ``mix``."""
        if self.crop:
            x = _moved(x, self.crop, generator)
        if self.flip:
            mirrored = torch.rand(len(x), generator=generator).to(x.device) < 0.5
            x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
        return _cut(x, self.cutout, generator) if self.cutout else x

    def mix(self, x: Tensor, targets: Tensor, seed: list[int]) -> tuple[Tensor, Tensor]:
        """Images and their class weights (B, classes), each mixed with its neighbour in the batch."""
        if not self.mixup:
            return x, targets
        share = float(np.random.default_rng(seed).beta(self.mixup, self.mixup))
        return share * x + (1 - share) * x.roll(1, 0), share * targets + (1 - share) * targets.roll(1, 0)


def _moved(x: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Every image shifted by up to ``reach`` pixels each way."""
    b, _, h, w = x.shape
    padded = torch.nn.functional.pad(x, (reach,) * 4, mode="reflect")
    rows, columns = (torch.randint(2 * reach + 1, (b, 1), generator=generator) + torch.arange(n) for n in (h, w))
    rows, columns = rows.to(x.device), columns.to(x.device)
    sample = torch.arange(b, device=x.device)[:, None, None]
    return padded[sample, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2).contiguous()


def _cut(x: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Every image with a square around a random pixel set to zero, the mean."""
    b, _, h, w = x.shape
    row, column = (torch.randint(n, (b, 1), generator=generator) for n in (h, w))
    near = ((torch.arange(n) - at + side // 2) for n, at in ((h, row), (w, column)))
    in_rows, in_columns = (((d >= 0) & (d < side)).to(x.device) for d in near)
    return x.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0.0)
