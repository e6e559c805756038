"""Write `golden_rows.safetensors`: what the demo's networks say of made-up input, in float32 on a CPU.

    python checkpoints/golden_rows.py

Prints the SHA-256 that `cmhkf/encoders/demo/shipped.py` holds. Run it anew only when a network or its weights change.
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cmhkf.encoders.demo.golden import NETWORKS
from cmhkf.files import sha256_of

FILE = Path(__file__).with_name("golden_rows.safetensors")


def main() -> None:
    """Make the rows, and write them."""
    with torch.inference_mode():
        rows = {network.name: network.rows(network.load("cpu", torch.float32), "cpu") for network in NETWORKS}
    save_file({name: row.contiguous() for name, row in rows.items()}, FILE)
    for name, row in rows.items():
        print(name, tuple(row.shape), "lengths", row.norm(dim=1).tolist())
    print(sha256_of(FILE))


if __name__ == "__main__":
    main()
