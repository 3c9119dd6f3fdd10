"""Image data: what is read is what was written, augmentation moves and mirrors and cuts and does nothing else."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch

from trainers.images import DIGITS, Augmentation, DataError, Images, load_images


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def write_parquet(folder: Path, split: str, pictures: np.ndarray, labels: list[int], column: str = "img") -> None:
    """PNG bytes in the structure that Hugging Face datasets use."""
    import pyarrow
    import pyarrow.parquet
    from PIL import Image

    encoded = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        encoded.append({"bytes": buffer.getvalue(), "path": None})
    table = pyarrow.table({column: encoded, "label": labels})
    feature = '{"_type": "Image"}'
    info = f'{{"info": {{"features": {{"{column}": {feature}, "label": {{"dtype": "int64", "_type": "Value"}}}}}}}}'
    pyarrow.parquet.write_table(table.replace_schema_metadata({"huggingface": info}), folder / f"{split}.parquet")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for data whose cache is its own."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def test_digits_split_without_meeting() -> None:
    train, test = load_images(DIGITS, "train"), load_images(DIGITS, "test")
    assert (len(train), len(test)) == (1497, 300)
    assert train.pixels.shape[1:] == (1, 8, 8)
    assert train.classes == 10
    assert sorted(set(train.labels.tolist())) == list(range(10))
    assert train.pixels.max() == 255


def test_a_folder_gives_back_what_was_written(home: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
    write_parquet(home, "train", pictures, [3, 0, 1, 1, 2])
    found = load_images(str(home), "train")
    assert torch.equal(found.pixels, torch.from_numpy(pictures).permute(0, 3, 1, 2))
    assert found.labels.tolist() == [3, 0, 1, 1, 2]
    assert found.classes == 4
    assert len(found.first(2)) == 2


def test_what_cannot_be_read_is_named(home: Path) -> None:
    with pytest.raises(DataError, match=r"no test\*\.parquet"):
        load_images(str(home), "test")
    write_parquet(home, "test", np.zeros((1, 2, 2, 3), dtype=np.uint8), [0], column="picture")
    with pytest.raises(DataError, match=r"picture.*needed"):
        load_images(str(home), "test")
    with pytest.raises(DataError, match="unknown split"):
        load_images(DIGITS, "validation")


def test_statistics_are_those_of_all_pixels() -> None:
    images = load_images(DIGITS, "train")
    mean, deviation = images.statistics()
    x = (images.pixels.double() / 255 - mean) / deviation
    assert float(x.mean()) == pytest.approx(0, abs=1e-6)
    assert float(x.std()) == pytest.approx(1, abs=1e-6)


def test_moving_is_a_crop_of_the_mirrored_border() -> None:
    x = torch.randn(40, 2, 5, 6)
    moved = Augmentation(crop=2, flip=False)(x, generator())
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    for given, found in zip(padded, moved, strict=True):
        crops = [given[:, i : i + 5, j : j + 6] for i in range(5) for j in range(5)]
        assert sum(torch.equal(found, crop) for crop in crops) == 1
    assert len({tuple(found.flatten().tolist()) for found in moved - x}) > 10


def test_mirroring_is_left_and_right_for_about_half() -> None:
    x = torch.randn(400, 1, 3, 4)
    found = Augmentation(crop=0, flip=True)(x, generator())
    mirrored = [torch.equal(b, a.flip(-1)) for a, b in zip(x, found, strict=True)]
    kept = [torch.equal(b, a) for a, b in zip(x, found, strict=True)]
    assert all(m != k for m, k in zip(mirrored, kept, strict=True))
    assert 150 < sum(mirrored) < 250  # five standard deviations of 400 fair coins


def test_a_cut_is_one_square_of_zeros() -> None:
    x = torch.ones(200, 1, 9, 9)
    holes = (Augmentation(crop=0, flip=False, cutout=3)(x, generator()) == 0).squeeze(1)
    rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
    assert torch.equal(holes.sum((1, 2)), rows * columns)
    assert int(holes.sum((1, 2)).max()) == 9
    assert int(holes.sum((1, 2)).min()) >= 4  # around a corner


def test_mixing_keeps_the_sum_of_the_weights() -> None:
    x, targets = torch.randn(6, 1, 2, 2), torch.eye(6)
    mixed, weights = Augmentation(mixup=0.4).mix(x, targets, [1, 2])
    assert torch.allclose(weights.sum(1), torch.ones(6))
    assert torch.allclose(mixed, torch.einsum("ij,jchw->ichw", weights, x), atol=1e-6)
    assert Augmentation().mix(x, targets, [1, 2])[0] is x


def test_the_same_generator_gives_the_same_images() -> None:
    every = Augmentation(crop=2, flip=True, cutout=3)
    x = torch.randn(8, 3, 8, 8)
    assert torch.equal(every(x, generator(3)), every(x, generator(3)))
    assert not torch.equal(every(x, generator(3)), every(x, generator(4)))


def test_first_of_all_is_all() -> None:
    images = Images(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.arange(3), 3)
    assert images.first(None) is images
