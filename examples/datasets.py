"""The examples' real data, as NumPy arrays (see data/README.md for the sources)."""

import gzip
import pathlib

import numpy as np

DATA = pathlib.Path(__file__).parent / "data"


def digits(held_out=360):
    """Return (train images, train labels, test images, test labels); images f32[n, 1, 8, 8] in 0..1."""
    with gzip.open(DATA / "digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",")
    order = np.random.RandomState(0).permutation(len(table))
    images = (table[order, :64] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    labels = table[order, 64].astype(np.int64)
    return images[:-held_out], labels[:-held_out], images[-held_out:], labels[-held_out:]


def shakespeare():
    """Return (text as i64 codes, the characters the codes stand for)."""
    with gzip.open(DATA / "shakespeare.txt.gz", "rt") as file:
        text = file.read()
    characters = "".join(sorted(set(text)))
    codes = np.frombuffer(text.encode("latin-1"), np.uint8)
    table = np.zeros(256, np.int64)
    table[[ord(c) for c in characters]] = np.arange(len(characters))
    return table[codes], characters
