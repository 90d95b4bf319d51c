"""Does Hugging Face `datasets` load what `dataset.export` writes?

    pip install -r tests/oracle/requirements.txt
    ccsr-flow run pipelines/selection.yaml
    python tests/oracle/imagefolder.py pipelines/out/selection

Compares, row by row, what `datasets` loads with what the run chose: captions against pairs.jsonl,
pixels against the PNG files read by Pillow. Prints a summary; exits with 1 at the first difference.
"""

import json
import sys
from pathlib import Path

import datasets
from PIL import Image, ImageChops


def main(folder: Path) -> None:
    pairs = [json.loads(line) for line in (folder / "pairs.jsonl").read_text("utf-8").splitlines()]
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder / "dataset"), split="train")
    assert set(loaded.column_names) == {"image", "text"}, loaded.column_names
    assert len(loaded) == len(pairs), (len(loaded), len(pairs))

    expected = {f"{pair['line']}_{pair['class'].lower().replace(' ', '_')}.png": pair for pair in pairs}
    files = loaded.cast_column("image", datasets.Image(decode=False))
    seen = set()
    for row, raw in zip(loaded, files):
        name = Path(raw["image"]["path"]).name
        seen.add(name)
        assert row["text"] == expected[name]["prompt"], name
        written = Image.open(folder / "dataset" / name).convert("RGB")
        assert row["image"].size == written.size, name
        assert ImageChops.difference(row["image"].convert("RGB"), written).getbbox() is None, name
    assert seen == set(expected)
    print(f"datasets {datasets.__version__}: {len(loaded)} rows, captions and pixels as chosen, "
          f"images {loaded[0]['image'].size}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except AssertionError as difference:
        sys.exit(f"differs: {difference}")
