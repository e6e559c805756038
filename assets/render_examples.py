"""Render the bundled example clips and their ground truth: `python -m assets.render_examples [SCENE ...]`.

The clips show nothing real. Each is drawn frame by frame from `assets/rendering`, with synthesised sound, and is the
same every time it is made. `ground_truth.csv` is written from the same scenes.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import av
import numpy as np

from assets.rendering.camera import HEIGHT, WIDTH
from assets.rendering.people import FPS
from assets.rendering.scenes import SCENES
from assets.rendering.sound import RATE_HZ, footsteps
from assets.rendering.stage import CAPTION, Scene, Stage

FOLDER = Path(__file__).parent / "examples"
SEED = 7


def sound_of(scene: Scene) -> np.ndarray:
    """The scene's sound, float [samples] in -1..1 at 44.1 kHz, as long as its pictures."""
    camera = scene.setting.camera
    steps = footsteps(scene.people, (camera.x, camera.y), scene.n_frames, scene.seed)
    return np.clip(scene.sound(scene.seed, scene.n_frames / FPS) + steps, -1, 1)


def render(scene: Scene, path: Path) -> None:
    """Render a scene to an H.264/AAC file that browsers play, the index in front."""
    stage = Stage(scene)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        out.metadata.update(title=f"{scene.name} ({CAPTION})", comment=f"{CAPTION}: computer graphics, nothing real")
        video = out.add_stream(
            "libx264", rate=FPS, options={"crf": "25", "preset": "medium", "threads": "1", "g": "48"}
        )
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono", bit_rate=80_000)
        sound = (sound_of(scene) * 32767).astype(np.int16)[None]  # [1, samples]
        per_frame = -(-sound.shape[1] // scene.n_frames)
        for index in range(scene.n_frames):
            out.mux(video.encode(av.VideoFrame.from_ndarray(stage.frame(index), format="rgb24")))
            start = index * per_frame
            piece = av.AudioFrame.from_ndarray(sound[:, start : start + per_frame], format="s16", layout="mono")
            piece.sample_rate, piece.pts = RATE_HZ, start
            out.mux(audio.encode(piece))
            if index % (5 * FPS) == 0:
                print(f"{scene.name}: {index} of {scene.n_frames} frames", file=sys.stderr)
        out.mux(video.encode())
        out.mux(audio.encode())


def write_ground_truth(path: Path) -> None:
    """Write clip, class and labelled segments (`start-end` in seconds, separated by spaces) of every scene."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["clip", "class", "segments_s"])
        for make in SCENES.values():
            scene = make(SEED)
            spans = " ".join(f"{a:g}-{b:g}" for a, b in scene.segments_s)
            rows.writerow([f"{scene.name}.mp4", scene.label, spans])


def main() -> None:
    """Render the named scenes, or all."""
    parser = argparse.ArgumentParser(description="Render the bundled example clips into assets/examples.")
    parser.add_argument("scene", nargs="*", help=f"any of {', '.join(SCENES)}; all if none is named")
    names = parser.parse_args().scene or list(SCENES)
    if unknown := [name for name in names if name not in SCENES]:
        parser.error(f"there is no scene {unknown[0]!r}; choose from {', '.join(SCENES)}")
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        render(SCENES[name](SEED), FOLDER / f"{name}.mp4")
    write_ground_truth(FOLDER / "ground_truth.csv")


if __name__ == "__main__":
    main()
